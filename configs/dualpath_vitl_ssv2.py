# bash tools/dist_train.sh configs/dualpath_vitl_ssv2.py 8
# DualPath, CLIP ViT-L/14, SSv2, 16 frames, 1 x 3 views.
# paper: 70.2 top-1 (Table 2)
_base_ = [
    '_base_/models/dualpath_vitl.py', '_base_/datasets/ssv2.py',
    '_base_/schedules/dualpath_ssv2.py', '_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
