# bash tools/dist_train.sh configs/temporal_vitb_ssv2.py 8
# Temporal fine-tuning: only the temporal attention trains, CLIP ViT-B/16,
# Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 59.4 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='FramePositions', site='stem', num_frames=8),
        dict(type='TemporalAttention', site='block', num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead'))
