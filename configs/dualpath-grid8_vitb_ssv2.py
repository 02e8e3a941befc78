# bash tools/dist_train.sh configs/dualpath-grid8_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 64 frames in 1 frameset of 8 x 8 frames, 1 x 3
# views.
# paper: 61.5 top-1 (Table 5)
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/ssv2_64f.py',
    '_base_/schedules/dualpath_ssv2.py', '_base_/default_runtime.py'
]

grid = (8, 8)
model = dict(
    backbone=dict(
        temporal=dict(
            adapters=dict(positions=dict(num_framesets=1, grid=grid)))),
    cls_head=dict(num_classes=174),
    data_preprocessor=dict(grid=grid))
