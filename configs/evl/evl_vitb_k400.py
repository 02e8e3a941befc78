# bash tools/dist_train.sh configs/evl/evl_vitb_k400.py 8
# EVL, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 82.9 top-1
_base_ = [
    '../_base_/models/evl_vitb.py', '../_base_/datasets/aim_k400.py',
    '../_base_/schedules/evl.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=53)
