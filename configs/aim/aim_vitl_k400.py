# bash tools/dist_train.sh configs/aim/aim_vitl_k400.py 8
# AIM, CLIP ViT-L/14, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 86.8 top-1
_base_ = [
    '../_base_/models/aim_vitl.py', '../_base_/datasets/aim_k400.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))
