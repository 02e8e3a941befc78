# bash tools/dist_train.sh configs/aim/aim_vitb_k400.py 8
# AIM, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 83.9 top-1
_base_ = [
    '../_base_/models/aim_vitb.py', '../_base_/datasets/aim_k400.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))
