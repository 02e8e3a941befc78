# bash tools/dist_train.sh configs/dualformer/dualformer_base_k600.py 8
# DualFormer-B with ImageNet-21K weights, Kinetics-600, 32 x 2 frames, 4 x 1
# views.
# paper: 85.2 top-1 (the authors' table of models)
_base_ = [
    '../_base_/models/dualformer.py', '../_base_/datasets/dualformer_k600.py',
    '../_base_/schedules/dualformer.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_base_imagenet21k/epoch_100.pth')),
    cls_head=dict(num_classes=600, in_channels=1024))
# 8 GPUs x 8 clips x 2 steps
train_dataloader = dict(batch_size=8)
# Half the rates of Kinetics-400: 5e-4, the backbone at a tenth of it.
optim_wrapper = dict(
    accumulative_counts=2, optimizer=dict(lr=5e-5, weight_decay=0.05))
