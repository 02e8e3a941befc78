# python tools/train.py configs/miniature/frames_vit-mini_digits.py
# A temporal transformer over the frames of the miniature ViT that
# tools/quickstart.sh pretrains, on the rendered motions of digits, 8 frames.
# paper: no figure, a miniature
_base_ = [
    '../_base_/models/vit-mini.py', '../_base_/datasets/digits_8f_frames.py',
    '../_base_/schedules/digits.py', '../_base_/default_runtime.py'
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

default_hooks = dict(
    logger=dict(interval=25), checkpoint=dict(max_keep_ckpts=1))
