# bash tools/dist_train.sh configs/dualformer/dualformer_base_k400.py 8
# DualFormer-B, Kinetics-400, 32 x 2 frames, 4 x 1 views.
# paper: 81.1 top-1 (the authors' table of models)
_base_ = [
    '../_base_/models/dualformer.py', '../_base_/datasets/dualformer_k400.py',
    '../_base_/schedules/dualformer.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_base_imagenet/epoch_300.pth')),
    cls_head=dict(in_channels=1024))
# 8 GPUs x 8 clips x 2 steps
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(accumulative_counts=2, optimizer=dict(weight_decay=0.05))
