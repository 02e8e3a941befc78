# bash tools/dist_train.sh configs/full_vitl_ssv2.py 8
# Full fine-tuning, frames alone (SA), CLIP ViT-L/14, Something-Something-V2,
# 8 frames, 1 x 3 views.
# paper: 48.7 top-1 (Table 2, poster)
_base_ = ['_base_/baselines/vitl_ssv2.py']

model = dict(
    backbone=dict(trainable=['.*']), cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
