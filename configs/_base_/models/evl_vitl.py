# As evl_vitb.py, with CLIP ViT-L/14.
_base_ = ['./features_vitl.py']

model = dict(
    backbone=dict(blocks=[-4, -3, -2, -1], queries_keys=True),
    cls_head=dict(type='EVLDecoder', num_layers=4, grid=16))
