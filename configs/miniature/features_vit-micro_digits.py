# python tools/train.py configs/miniature/features_vit-micro_digits.py
# A temporal transformer over the frozen class tokens of the miniature study's
# ViT, on the rendered motions of digits, 8 frames.
# paper: no figure, a miniature
_base_ = ['./frames_vit-micro_digits.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='FrozenFeatures',
        backbone=dict(init_cfg=_base_.pretrained, **_base_.backbone),
        tokens='class_token'))
