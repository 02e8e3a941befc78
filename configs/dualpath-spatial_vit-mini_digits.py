# python tools/train.py configs/dualpath-spatial_vit-mini_digits.py
# The quickstart's model without its temporal path: it cannot tell a motion
# from the same motion run backwards.
_base_ = ['./dualpath_vit-mini_digits.py']

model = dict(
    backbone=dict(temporal=None),
    cls_head=dict(in_channels=64),
    data_preprocessor=dict(grid=None))
