# bash tools/dist_train.sh configs/st_adapter/full-ta_vitb_ssv2.py 8
# Full fine-tuning, divided space-time attention (SA + TA), CLIP ViT-B/16,
# SSv2, 8 frames, 1 x 3 views.
# paper: 66.1 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
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
                num_frames=num_frames)),
        trainable=['.*']),
    cls_head=dict(type='FrameMeanHead', num_classes=174))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
