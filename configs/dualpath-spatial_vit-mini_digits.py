# python tools/train.py configs/dualpath-spatial_vit-mini_digits.py
# The quickstart's model without its temporal path: it cannot tell a motion
# from the same motion run backwards.
_base_ = ['./dualpath_vit-mini_digits.py']

model = dict(
    backbone=dict(temporal=None),
    cls_head=dict(in_channels=64),
    data_preprocessor=dict(grid=None))

# It has learned what it can after three epochs.
train_cfg = dict(max_epochs=3)
_base_.param_scheduler[1].update(end=3, T_max=2)
