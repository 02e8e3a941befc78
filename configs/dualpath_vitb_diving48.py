# bash tools/dist_train.sh configs/dualpath_vitb_diving48.py 8
# DualPath, CLIP ViT-B/16, Diving-48, 16 frames, 1 x 1 views.
# paper: 88.7 top-1 (Table 4)
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/diving48.py',
    '_base_/schedules/dualpath_diving48.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=48))
