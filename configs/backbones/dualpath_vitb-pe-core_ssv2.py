# bash tools/dist_train.sh configs/backbones/dualpath_vitb-pe-core_ssv2.py 8
# DualPath, PE-Core-B/16, SSv2, 16 frames, 1 x 3 views.
# paper: no figure
_base_ = [
    '../_base_/models/dualpath_vitb-pe-core.py', '../_base_/datasets/ssv2.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
