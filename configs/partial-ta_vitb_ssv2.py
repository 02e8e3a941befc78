# bash tools/dist_train.sh configs/partial-ta_vitb_ssv2.py 8
# Partial fine-tuning of the last block with temporal attention (SA + TA),
# CLIP ViT-B/16, Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 57.5 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(
        adapters=[
            dict(type='FramePositions', site='stem', num_frames=8),
            dict(
                type='TemporalAttention',
                site='block',
                num_frames=8,
                blocks=[-1])
        ],
        trainable=[r'layers\.11\..*']),
    cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
