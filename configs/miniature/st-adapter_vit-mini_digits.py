# python tools/train.py configs/miniature/st-adapter_vit-mini_digits.py
# ST-Adapter before the MLP with the miniature ViT, on the rendered motions of
# digits, 8 frames.
# paper: no figure, a miniature
_base_ = ['./frames_vit-mini_digits.py']

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='residual_mlp', width=32,
                num_frames=8))),
    cls_head=dict(
        _delete_=True,
        type='FrameMeanHead',
        num_classes=8,
        in_channels=64,
        num_frames=8,
        topk=(1, ),
        average_clips='prob'))
