# bash tools/dist_train.sh configs/baselines/full_swinb_hmdb51.py 8
# Full fine-tuning, frames alone (SA), Swin-B (ImageNet-21K), HMDB51, 8 frames,
# 2 x 3 views.
# paper: 61.2 top-1 (Table A2)
_base_ = [
    '../_base_/models/frames_swinb.py',
    '../_base_/datasets/hmdb51_8f_frames.py',
    '../_base_/schedules/dualpath_hmdb51.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(trainable=['.*']),
    cls_head=dict(type='FrameMeanHead', num_classes=51))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
