# bash tools/dist_train.sh configs/baselines/full_swinb_ssv2.py 8
# Full fine-tuning, frames alone (SA), Swin-B (ImageNet-21K), SSv2, 8 frames, 1
# x 3 views.
# paper: 44.3 top-1 (Table A2)
_base_ = [
    '../_base_/models/frames_swinb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(trainable=['.*']),
    cls_head=dict(type='FrameMeanHead', num_classes=174))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
