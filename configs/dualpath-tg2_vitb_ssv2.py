# bash tools/dist_train.sh configs/dualpath-tg2_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 32 frames in 2 framesets, 1 x 3 views.
# paper: 70.3 top-1 (Table 2)
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/ssv2_32f.py',
    '_base_/schedules/dualpath_ssv2.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        temporal=dict(adapters=dict(positions=dict(num_framesets=2)))),
    cls_head=dict(num_classes=174))
