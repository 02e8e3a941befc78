# As features_vitb.py, with DINOv2 ViT-B/14.
_base_ = ['./frames_vitb-dinov2.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='FrozenFeatures',
        backbone=_base_.model.backbone.backbone))
