# bash tools/dist_train.sh configs/evl/evl-32f_vitl_ssv2.py 8
# EVL, CLIP ViT-L/14, SSv2, 32 frames, 1 x 3 views, the last 12
# blocks.
# paper: 66.7 top-1
_base_ = [
    '../_base_/models/evl_vitl.py', '../_base_/datasets/ssv2_32f_frames.py',
    '../_base_/schedules/evl.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(blocks=list(range(-12, 0))),
    cls_head=dict(num_classes=174, num_frames=32, num_layers=12))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=76)
