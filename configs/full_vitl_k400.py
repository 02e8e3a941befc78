# bash tools/dist_train.sh configs/full_vitl_k400.py 8
# Full fine-tuning, frames alone (SA), CLIP ViT-L/14, Kinetics-400, 8 frames,
# 3 x 1 views.
# paper: 85.8 top-1 (poster)
_base_ = ['_base_/baselines/vitl_k400.py']

model = dict(
    backbone=dict(trainable=['.*']), cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
