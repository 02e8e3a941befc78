# As features_vitb.py, with CLIP ViT-L/14.
_base_ = ['./frames_vitl.py']

model = dict(
    backbone=dict(
        _delete_=True,
        type='FrozenFeatures',
        backbone=_base_.model.backbone.backbone))
