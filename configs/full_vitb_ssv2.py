# bash tools/dist_train.sh configs/full_vitb_ssv2.py 8
# Full fine-tuning, frames alone (SA), CLIP ViT-B/16, Something-Something-V2,
# 8 frames, 1 x 3 views.
# paper: 44.0 top-1 (Table 2, poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(trainable=['.*']), cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
