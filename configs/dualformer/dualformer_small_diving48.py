# bash tools/dist_train.sh configs/dualformer/dualformer_small_diving48.py 8
# DualFormer-S from Kinetics-400, Diving-48, 32 x 4 frames, 4 x 3 views.
# paper: 81.8 top-1 (the authors' table of models)
_base_ = [
    '../_base_/models/dualformer.py',
    '../_base_/datasets/dualformer_diving48.py',
    '../_base_/schedules/dualformer.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='small',
        drop_path_rate=0.2,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_small_k400/epoch_30.pth')),
    cls_head=dict(num_classes=48, in_channels=768))
# 8 GPUs x 8 clips
train_dataloader = dict(batch_size=8)
train_cfg = dict(val_interval=2)
param_scheduler = [dict(_base_.warm_up, end=1), _base_.cosine]
auto_scale_lr = dict(base_batch_size=64)
