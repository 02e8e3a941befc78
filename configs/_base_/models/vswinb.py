# Video Swin-B, pretrained on Kinetics-400, frozen; the FC trains.
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(
            type='SwinTransformer3D',
            arch='base',
            patch_size=(2, 4, 4),
            window_size=(8, 7, 7),
            drop_path_rate=0.4,
            pretrained2d=False,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/'
                'swin_base_patch244_window877_kinetics400_22k.pth'))),
    cls_head=dict(
        type='I3DHead',
        in_channels=1024,
        num_classes=174,
        spatial_type='avg',
        dropout_ratio=0.5,
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW'))
