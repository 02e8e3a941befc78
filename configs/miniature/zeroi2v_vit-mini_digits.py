# python tools/train.py configs/miniature/zeroi2v_vit-mini_digits.py
# ZeroI2V with the quickstart's miniature ViT on the rendered motions of
# digits, 8 frames. Its linear adapters fold away: tools/merge_model.py fold.
# paper: no figure, a miniature
_base_ = [
    '../_base_/models/vit-mini.py', '../_base_/datasets/digits_8f_frames.py',
    '../_base_/schedules/digits.py', '../_base_/default_runtime.py'
]

linear = dict(width=32, act_cfg=None, init='trunc_normal_down')
model = dict(
    type='Recognizer2D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(init_cfg=_base_.pretrained, **_base_.backbone),
        adapters=dict(
            time=dict(type='FramePositions', site='tokens', num_frames=8),
            attn_in=dict(type='PreAdapter', site='qkv', **linear),
            shift=dict(type='STDHA', site='qkv', num_frames=8, num_heads=4),
            attn_out=dict(type='SerialAdapter', site='proj', **linear),
            mlp_in=dict(type='PreAdapter', site='fc1', **linear),
            mlp_out=dict(type='SerialAdapter', site='fc2', **linear)),
        trainable=['ln1.*']),
    cls_head=dict(
        type='FrameMeanHead',
        num_classes=8,
        in_channels=64,
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
