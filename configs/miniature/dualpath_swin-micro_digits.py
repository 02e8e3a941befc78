# python tools/train.py configs/miniature/dualpath_swin-micro_digits.py
# DualPath with the Swin of the miniature study, which has neither class token
# nor position embedding.
# paper: no figure, a miniature
_base_ = [
    '../_base_/models/swin-micro.py', '../_base_/datasets/digits.py',
    '../_base_/schedules/convergence.py', '../_base_/default_runtime.py'
]

adapter = dict(width=32)
grid = (4, 4)
model = dict(
    type='DualPath',
    backbone=dict(
        type='DualPathBackbone',
        backbone=dict(init_cfg=_base_.pretrained, **_base_.backbone),
        spatial=dict(
            adapters=dict(
                attn=dict(
                    type='ParallelAdapter', site='window_attn', **adapter),
                mlp=dict(type='ParallelAdapter', site='mlp', **adapter))),
        temporal=dict(
            adapters=dict(
                positions=dict(
                    type='FramesetPositions',
                    site='stem',
                    amplitude='match',
                    num_framesets=1,
                    grid=grid),
                attn_in=dict(type='PreAdapter', site='window_attn', **adapter),
                attn_out=dict(
                    type='SerialAdapter', site='window_attn', **adapter),
                mlp=dict(type='SerialAdapter', site='mlp', **adapter)))),
    cls_head=dict(
        type='MLPHead',
        num_classes=8,
        in_channels=2 * 96,
        topk=(1, ),
        average_clips='prob'),
    data_preprocessor=dict(
        type='DualPathDataPreprocessor',
        num_spatial_frames=[2, 6, 9, 13],
        grid=grid,
        mean=[127.5, 127.5, 127.5],
        std=[63.75, 63.75, 63.75]))

train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True))
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=250, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
