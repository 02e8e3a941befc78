# bash tools/dist_train.sh configs/st_adapter/temporal_vitb-in21k_ssv2.py 8
# Temporal fine-tuning: only the temporal attention trains (SA + TA), ViT-B/16
# (ImageNet-21K), SSv2, 8 frames, 1 x 3 views.
# paper: 51.9 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

num_frames = 8
model = dict(
    backbone=dict(
        adapters=dict(
            positions=dict(
                type='FramePositions', site='stem', num_frames=num_frames),
            time=dict(
                type='TemporalAttention', site='block',
                num_frames=num_frames))),
    cls_head=dict(type='FrameMeanHead', num_classes=174))
