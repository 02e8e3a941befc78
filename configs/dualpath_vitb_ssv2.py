# bash tools/dist_train.sh configs/dualpath_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 16 frames, 1 x 3 views.
# paper: 69.6 top-1 (Table 2), 69.3 (Tables 5, A2 and A4)
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/ssv2.py',
    '_base_/schedules/dualpath_ssv2.py', '_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
