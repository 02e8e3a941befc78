# CLIP ViT-B/16 read without a gradient, frame by frame. What is read of it is
# set by the backbone, what reads it by cls_head.type.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='FrozenFeatures',
        backbone=_base_.model.backbone.backbone))
