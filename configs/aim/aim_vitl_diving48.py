# bash tools/dist_train.sh configs/aim/aim_vitl_diving48.py 8
# AIM, CLIP ViT-L/14, Diving-48, 32 frames, 1 x 1 views.
# paper: 90.6 top-1
_base_ = [
    '../_base_/models/aim_vitl.py', '../_base_/datasets/aim_diving48.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

num_frames = 32
model = dict(
    backbone=dict(
        adapters=dict(
            time=dict(num_frames=num_frames),
            temporal=dict(num_frames=num_frames))),
    cls_head=dict(num_classes=48, num_frames=num_frames))
# 8 GPUs x 8 clips
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_epochs=50)
