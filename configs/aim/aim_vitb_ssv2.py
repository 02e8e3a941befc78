# bash tools/dist_train.sh configs/aim/aim_vitb_ssv2.py 8
# AIM with two adapters for time, CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views.
# paper: 66.4 top-1
_base_ = [
    '../_base_/models/aim_vitb.py', '../_base_/datasets/zeroi2v_ssv2.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(joint=dict(scale=1.), temporal=dict(two=True))),
    cls_head=dict(num_classes=174))
# 8 GPUs x 8 clips
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_epochs=50)
