# bash tools/dist_train.sh configs/dualpath-tg3_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 48 frames in 3 framesets, 1 x 3 views.
# paper: 71.2 top-1 (Tables 2 and A4)
# The spatial path reads every 6th of them.
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/ssv2_48f.py',
    '_base_/schedules/dualpath_ssv2.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        temporal=dict(adapters=dict(positions=dict(num_framesets=3)))),
    cls_head=dict(num_classes=174))
