# bash tools/dist_train.sh configs/evl/evl-32f_vitl_k400.py 8
# EVL, CLIP ViT-L/14, Kinetics-400, 32 frames, 3 x 1 views.
# paper: 87.3 top-1
_base_ = [
    '../_base_/models/evl_vitl.py', '../_base_/datasets/aim_k400_32f.py',
    '../_base_/schedules/evl.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400, num_frames=32))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=53)
