# DualFormer-T for images, with the regularisation of DeiT that Swin keeps.
# Stochastic depth is not in the supplement: it is that of the video models.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmaction.DualFormer', axes=2, arch='tiny', drop_path_rate=0.1),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=512,
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02),
        loss=dict(
            type='LabelSmoothLoss', label_smooth_val=0.1, mode='original'),
        cal_acc=False),
    train_cfg=dict(augments=[
        dict(type='Mixup', alpha=0.8),
        dict(type='CutMix', alpha=1.0)
    ]))
