# bash tools/dist_train.sh configs/st_adapter/temporal_vitb_k400.py 8
# Temporal fine-tuning: only the temporal attention trains (SA + TA), CLIP
# ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 81.3 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
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
    cls_head=dict(type='FrameMeanHead', num_classes=400))
