# bash tools/dist_train.sh configs/dualformer/dualformer_small_hmdb51.py 8
# DualFormer-S from Kinetics-400, HMDB51, 32 x 4 frames, 4 x 3 views.
# paper: 76.4 top-1 (the authors' table of models)
_base_ = [
    '../_base_/models/dualformer.py',
    '../_base_/datasets/dualformer_hmdb51.py',
    '../_base_/schedules/dualformer.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_small_k400/epoch_30.pth')),
    cls_head=dict(num_classes=51, in_channels=768))
# 8 GPUs x 16 clips x 4 steps
optim_wrapper = dict(accumulative_counts=4, optimizer=dict(weight_decay=0.1))
train_cfg = dict(max_epochs=16, val_interval=2)
param_scheduler = [dict(_base_.warm_up, end=1), _base_.cosine]
auto_scale_lr = dict(base_batch_size=512)
