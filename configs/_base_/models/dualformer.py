# DualFormer-T as the paper trains it on Kinetics-400, with its ImageNet
# weights, which are inflated as they are loaded.
model = dict(
    type='Recognizer3D',
    backbone=dict(
        type='DualFormer',
        arch='tiny',
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/dualformer_tiny_imagenet/epoch_300.pth')),
    cls_head=dict(
        type='I3DHead',
        num_classes=400,
        in_channels=512,
        spatial_type='avg',
        dropout_ratio=0.5,
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW'))
