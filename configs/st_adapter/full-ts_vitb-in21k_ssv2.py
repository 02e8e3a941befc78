# bash tools/dist_train.sh configs/st_adapter/full-ts_vitb-in21k_ssv2.py 8
# Full fine-tuning, token shift (SA + TS), ViT-B/16 (ImageNet-21K), SSv2, 8
# frames, 1 x 3 views.
# paper: 64.4 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(shift=dict(type='TokenShift', site='qkv', num_frames=8)),
        trainable=['.*']),
    cls_head=dict(num_classes=174))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
