# python tools/train.py configs/miniature/st-adapter_vit-micro_digits.py
# ST-Adapter before the MLP with the miniature study's ViT.
# paper: no figure, a miniature
_base_ = ['./frames_vit-micro_digits.py']

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
        in_channels=48,
        num_frames=8,
        topk=(1, ),
        average_clips='prob'))
