# V-JEPA 2's attentive probe on its own ViT-L/16, clips of 16 frames of 256
# pixels.
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='FrozenFeatures',
        backbone=dict(
            type='TransformersBackbone',
            model_name='vjepa2',
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/vjepa2-vitl-fpc64-256')),
        final_norm=True),
    cls_head=dict(
        type='AttentiveProbe',
        num_classes=400,
        in_channels=1024,
        num_frames=16,
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW'))
