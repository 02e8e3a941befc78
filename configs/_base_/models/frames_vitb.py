# One view of CLIP ViT-B/16 on 8 frames, one by one, as the baselines of Sec. 3
# have it. The method is set by backbone.adapters and backbone.trainable, the
# classifier by cls_head.type. A number of frames other than 8 is the head's as
# well.
model = dict(
    type='Recognizer2D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(
            type='CLIPVisionTransformer',
            arch='base',
            patch_size=16,
            out_dims=None,
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/ViT-B-16.pt')),
        adapters=dict(),
        trainable=[]),
    cls_head=dict(
        type='TemporalTransformerHead',
        num_classes=400,
        in_channels=768,
        num_frames=8,
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[122.771, 116.746, 104.094],
        std=[68.500, 66.632, 70.323],
        format_shape='NCHW'))
