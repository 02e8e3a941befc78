# bash tools/dist_train.sh configs/dualpath_vitb_hmdb51.py 8
# DualPath, CLIP ViT-B/16, HMDB51, 16 frames, 2 x 3 views.
# paper: 75.6 top-1, mean of three splits (Tables 3, A2 and A4)
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/hmdb51.py',
    '_base_/schedules/dualpath_hmdb51.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=51))
