# bash tools/dist_train.sh configs/backbones/dualpath_vitl-eva02_k400.py 8
# DualPath, EVA-02-CLIP-L/14, Kinetics-400, 16 frames, 3 x 1 views.
# paper: no figure
_base_ = [
    '../_base_/models/dualpath_vitl-eva02.py', '../_base_/datasets/k400.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=400))
