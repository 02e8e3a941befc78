# bash tools/dist_train.sh configs/full-ts_vitb_ssv2.py 8
# Full fine-tuning, token shift (SA + TS), CLIP ViT-B/16, Something-
# Something-V2, 8 frames, 1 x 3 views.
# paper: 62.0 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(
        adapters=[dict(type='TokenShift', site='qkv', num_frames=8)],
        trainable=['.*']))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
