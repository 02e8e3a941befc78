# EVL on CLIP ViT-B/16, 8 frames: the last four blocks.
_base_ = ['./features_vitb.py']

model = dict(
    backbone=dict(blocks=[-4, -3, -2, -1], queries_keys=True),
    cls_head=dict(type='EVLDecoder', num_layers=4, grid=14))
