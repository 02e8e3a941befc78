# One view of the miniature ViT on 8 frames of the rendered motions of digits.
_base_ = ['../../dualpath_vit-mini_digits.py']

model = dict(
    _delete_=True,
    type='Recognizer2D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=_base_.backbone,
        adapters=[],
        trainable=[]),
    cls_head=dict(
        type='TemporalTransformerHead',
        num_classes=8,
        in_channels=64,
        num_heads=4,
        num_frames=8,
        topk=(1, ),
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[63.75, 63.75, 63.75],
        format_shape='NCHW'))

for loader in (_base_.train_dataloader, _base_.val_dataloader,
               _base_.test_dataloader):
    loader.dataset.pipeline[1].clip_len = 8
    loader.dataset.pipeline[-2].input_format = 'NCHW'
del loader
