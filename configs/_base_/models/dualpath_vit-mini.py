# DualPath with the miniature ViT. Three things differ from dualpath_vitb.py,
# of which the first two learn sooner:
# - Serial adapters have an inner skip, as in dualpath-skip_vitb_ssv2.py.
# - The temporal path trains its position embedding and adds the number of the
#   frame to it, as in dualpath-frame-number_vitb_ssv2.py.
# - The spatial frames lie symmetrically in the clip. Every (T / T_S)-th frame,
#   the first included, would tell a motion from the same motion backwards.
_base_ = ['./vit-mini.py']

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
            trainable=['cls_token', 'pos_embed'],
            adapters=dict(
                positions=dict(
                    type='FrameIndexPositions',
                    site='stem',
                    amplitude='match',
                    num_framesets=1,
                    grid=grid),
                attn_in=dict(type='PreAdapter', site='attn', **adapter),
                attn_out=dict(type='SerialAdapter', site='attn', **adapter),
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
