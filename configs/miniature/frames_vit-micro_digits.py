# python tools/train.py configs/miniature/frames_vit-micro_digits.py
# A temporal transformer over the frames of the miniature study's ViT, on the
# rendered motions of digits, 8 frames.
# paper: no figure, a miniature
_base_ = [
    '../_base_/models/vit-micro.py', '../_base_/datasets/digits_8f_frames.py',
    '../_base_/schedules/convergence.py', '../_base_/default_runtime.py'
]

model = dict(
    type='Recognizer2D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(init_cfg=_base_.pretrained, **_base_.backbone),
        adapters=dict(),
        trainable=[]),
    cls_head=dict(
        type='TemporalTransformerHead',
        num_classes=8,
        in_channels=48,
        num_heads=4,
        num_frames=8,
        topk=(1, ),
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[127.5, 127.5, 127.5],
        std=[63.75, 63.75, 63.75],
        format_shape='NCHW'))

train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True))
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=250, max_keep_ckpts=1))
log_processor = dict(by_epoch=False)
