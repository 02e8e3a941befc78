# bash tools/dist_train.sh configs/aim/aim-16f_vitl_k400.py 8
# AIM, CLIP ViT-L/14, Kinetics-400, 16 frames, 3 x 1 views.
# paper: 87.3 top-1
_base_ = [
    '../_base_/models/aim_vitl.py', '../_base_/datasets/aim_k400_16f.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

num_frames = 16
model = dict(
    backbone=dict(
        adapters=dict(
            time=dict(num_frames=num_frames),
            temporal=dict(num_frames=num_frames))),
    cls_head=dict(num_classes=400, num_frames=num_frames))
