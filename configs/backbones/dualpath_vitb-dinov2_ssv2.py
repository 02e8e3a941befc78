# bash tools/dist_train.sh configs/backbones/dualpath_vitb-dinov2_ssv2.py 8
# DualPath, DINOv2 ViT-B/14, SSv2, 16 frames, 1 x 3 views.
# paper: no figure
_base_ = [
    '../_base_/models/dualpath_vitb-dinov2.py', '../_base_/datasets/ssv2.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
