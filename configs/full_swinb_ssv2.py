# bash tools/dist_train.sh configs/full_swinb_ssv2.py 8
# Full fine-tuning, frames alone (SA), Swin-B (ImageNet-21K), Something-
# Something-V2, 8 frames, 1 x 3 views.
# paper: 44.3 top-1 (Table A2)
_base_ = ['_base_/baselines/swinb_ssv2.py']

model = dict(
    backbone=dict(trainable=['.*']), cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
