# bash tools/dist_train.sh configs/full-ta_vitb_ssv2.py 8
# Full fine-tuning, divided space-time attention (SA + TA), CLIP ViT-B/16,
# Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 66.1 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(
        adapters=[
            dict(type='FramePositions', site='stem', num_frames=8),
            dict(type='TemporalAttention', site='block', num_frames=8)
        ],
        trainable=['.*']),
    cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
