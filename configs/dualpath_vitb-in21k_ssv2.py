# bash tools/dist_train.sh configs/dualpath_vitb-in21k_ssv2.py 8
# DualPath, ViT-B/16 (ImageNet-21K), SSv2, 16 frames, 1 x 3 views.
# paper: 64.7 top-1 (Table A2)
_base_ = [
    '_base_/models/dualpath_vitb-in21k.py', '_base_/datasets/ssv2.py',
    '_base_/schedules/dualpath_ssv2.py', '_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
