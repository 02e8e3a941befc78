# python tools/train.py configs/miniature/dualpath-spatial_vit-mini_digits.py
# The quickstart's model without its temporal path: it cannot tell a motion
# from the same motion run backwards.
# paper: no figure, a miniature
_base_ = ['../dualpath_vit-mini_digits.py']

model = dict(
    backbone=dict(temporal=None),
    cls_head=dict(in_channels=64),
    data_preprocessor=dict(grid=None))

# It has learned what it can after two epochs.
epochs = 2
train_cfg = dict(max_epochs=epochs, val_interval=epochs)
param_scheduler = [
    _base_.warm_up,
    dict(_base_.decay, begin=epochs - 1, end=epochs)
]
