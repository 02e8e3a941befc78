# bash tools/dist_train.sh configs/temporal_vitb_k400.py 8
# Temporal fine-tuning: only the temporal attention trains, CLIP ViT-B/16,
# Kinetics-400, 8 frames, 3 x 1 views.
# paper: 81.3 top-1 (poster)
_base_ = ['_base_/baselines/vitb_k400.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='FramePositions', site='stem', num_frames=8),
        dict(type='TemporalAttention', site='block', num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead'))
