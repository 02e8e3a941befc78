# bash tools/dist_train.sh configs/dualformer/dualformer_small_k400.py 8
# DualFormer-S, Kinetics-400, 32 x 2 frames, 4 x 1 views.
# paper: 80.3 top-1, 94.5 top-5 (supplement, Table 2)
_base_ = [
    '../_base_/models/dualformer.py', '../_base_/datasets/dualformer_k400.py',
    '../_base_/schedules/dualformer.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.2,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_small_imagenet/epoch_300.pth')),
    cls_head=dict(in_channels=768))
# 8 GPUs x 8 clips x 2 steps
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(accumulative_counts=2)
