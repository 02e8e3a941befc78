# bash tools/dist_train.sh configs/dualpath_vitb_k400.py 8
# DualPath, CLIP ViT-B/16, Kinetics-400, 16 frames, 3 x 1 views.
# paper: 85.4 top-1 in Table A3, which Table 1 prints for 32 frames
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/k400.py',
    '_base_/schedules/dualpath_k400.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=400))
