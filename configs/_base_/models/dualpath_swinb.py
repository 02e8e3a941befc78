# DualPath with Swin-B pretrained on ImageNet-21K (Appendix B.1): attention
# adapters on plain windows only, MLP adapters in every block; attn_in is the
# fifth of SSv2. Swin has neither class token nor position embedding, so
# adapters and head are all that trains. What the paper leaves open is decided
# as in dualpath_vitb.py.
# The head's width is not in the paper; 256 comes closest to its 11 M.
adapter = dict(width=128, dropout=0.1)
serial = dict(skip=False, **adapter)
grid = (4, 4)
model = dict(
    type='DualPath',
    backbone=dict(
        type='DualPathBackbone',
        backbone=dict(
            type='mmpretrain.SwinTransformer',
            arch='base',
            img_size=224,
            drop_path_rate=0.,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/swin_base_patch4_window7_224_22k.pth')
        ),
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
                attn_in=dict(type='PreAdapter', site='window_attn', **serial),
                attn_out=dict(
                    type='SerialAdapter', site='window_attn', **serial),
                mlp=dict(type='SerialAdapter', site='mlp', **serial)))),
    cls_head=dict(
        type='MLPHead',
        num_classes=400,
        in_channels=2 * 1024,
        hidden_channels=256,
        average_clips='prob'),
    data_preprocessor=dict(
        type='DualPathDataPreprocessor',
        num_spatial_frames=8,
        grid=grid,
        frameset_size=224,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]))
