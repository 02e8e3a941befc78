# bash tools/dist_train.sh configs/dualpath_vitl_k400.py 8
# DualPath, CLIP ViT-L/14, Kinetics-400, 16 frames, 3 x 1 views.
# paper: no figure for 16 frames; 87.7 top-1 for 32 (Table 1)
_base_ = [
    '_base_/models/dualpath_vitl.py', '_base_/datasets/k400.py',
    '_base_/schedules/dualpath_k400.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=400))
