# DualPath with CLIP ViT-B/16 (Sec. 4): 8 spatial frames, 1 frameset of 4 x 4
# frames, 2 + 2 adapters of width 128 in every block.
# The dropout of the adapters is from the authors' dump, the rest from the
# paper.
model = dict(
    type='DualPath',
    backbone=dict(
        type='DualPathBackbone',
        backbone=dict(
            type='CLIPVisionTransformer',
            arch='base',
            patch_size=16,
            out_dims=512,
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/ViT-B-16.pt')),
        spatial=dict(
            trainable=['cls_token', 'pos_embed'],
            adapters=[
                dict(
                    type='ParallelAdapter',
                    site='attn',
                    width=128,
                    dropout=0.1),
                dict(
                    type='ParallelAdapter', site='mlp', width=128, dropout=0.1)
            ]),
        temporal=dict(
            trainable=['cls_token'],
            zero=['pos_embed'],
            adapters=[
                dict(
                    type='FramesetPositions',
                    site='stem',
                    num_framesets=1,
                    grid=(4, 4)),
                dict(
                    type='SerialAdapter', site='attn', width=128, dropout=0.1),
                dict(type='SerialAdapter', site='mlp', width=128, dropout=0.1)
            ])),
    cls_head=dict(
        type='MLPHead',
        num_classes=400,
        in_channels=2 * 512,
        average_clips='prob'),
    data_preprocessor=dict(
        type='DualPathDataPreprocessor',
        num_spatial_frames=8,
        grid=(4, 4),
        frameset_size=224,
        mean=[122.771, 116.746, 104.094],
        std=[68.500, 66.632, 70.323]))
