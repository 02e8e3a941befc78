# bash tools/dist_train.sh configs/dualformer/dualformer-release_base_k400.py 8
# DualFormer-B as its authors released it, Kinetics-400, 32 x 2 frames, 4 x 1
# views: the fine level is pooled by convolutions, positions train at the full
# rate, norms are decayed. It tests the files of the release.
# paper: 81.1 top-1 (the authors' table of models)
_base_ = [
    '../_base_/models/dualformer.py', '../_base_/datasets/dualformer_k400.py',
    '../_base_/schedules/dualformer-release.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='base',
        drop_path_rate=0.3,
        fine_kernels=((2, 8, 8), (2, 4, 4), (2, 2, 2), (1, 1, 1)),
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_base_imagenet/epoch_300.pth')),
    cls_head=dict(in_channels=1024))
# 8 GPUs x 8 clips x 2 steps
train_dataloader = dict(batch_size=8)
optim_wrapper = dict(accumulative_counts=2, optimizer=dict(weight_decay=0.05))
