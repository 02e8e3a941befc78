# bash tools/dist_train.sh configs/dualpath_vitb-in21k_hmdb51.py 8
# DualPath, ViT-B/16 (ImageNet-21K), HMDB51, 16 frames, 2 x 3 views.
# paper: 70.5 top-1 (Table A2)
_base_ = [
    '_base_/models/dualpath_vitb-in21k.py', '_base_/datasets/hmdb51.py',
    '_base_/schedules/dualpath_hmdb51.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=51))
