# bash tools/quickstart.sh
# DualPath with the miniature ViT on the rendered motions of digits, 16 frames
# of 64 pixels. Two things differ from dualpath_vitb_ssv2.py:
# - Serial adapters have an inner skip, as in dualpath-skip_vitb_ssv2.py, which
#   learns sooner.
# - The spatial frames lie symmetrically in the clip. Every (T / T_S)-th frame,
#   the first included, would tell a motion from the same motion backwards.
# paper: no figure, a miniature
_base_ = [
    '_base_/models/vit-mini.py', '_base_/datasets/digits.py',
    '_base_/schedules/digits.py', '_base_/default_runtime.py'
]

adapter = dict(width=32)
grid = (4, 4)
model = dict(
    type='DualPath',
    backbone=dict(
        type='DualPathBackbone',
        backbone=dict(init_cfg=_base_.pretrained, **_base_.backbone),
        spatial=dict(
            trainable=['cls_token', 'pos_embed'],
            adapters=dict(
                attn=dict(type='ParallelAdapter', site='attn', **adapter),
                mlp=dict(type='ParallelAdapter', site='mlp', **adapter))),
        temporal=dict(
            trainable=['cls_token'],
            zero=['pos_embed'],
            adapters=dict(
                positions=dict(
                    type='FramesetPositions',
                    site='stem',
                    amplitude='match',
                    num_framesets=1,
                    grid=grid),
                pre_attn=dict(type='PreAdapter', site='attn', **adapter),
                attn=dict(type='SerialAdapter', site='attn', **adapter),
                mlp=dict(type='SerialAdapter', site='mlp', **adapter)))),
    cls_head=dict(
        type='MLPHead',
        num_classes=8,
        in_channels=2 * 64,
        topk=(1, ),
        average_clips='prob'),
    data_preprocessor=dict(
        type='DualPathDataPreprocessor',
        num_spatial_frames=[4, 11],
        grid=grid,
        mean=[127.5, 127.5, 127.5],
        std=[63.75, 63.75, 63.75]))

default_hooks = dict(
    logger=dict(interval=25), checkpoint=dict(max_keep_ckpts=1))
