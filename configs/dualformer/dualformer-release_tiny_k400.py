# bash tools/dist_train.sh configs/dualformer/dualformer-release_tiny_k400.py 8
# DualFormer-T as its authors released it, Kinetics-400, 32 x 2 frames, 4 x 1
# views: the fine level is pooled by convolutions, positions train at the full
# rate, norms are decayed. It tests the files of the release.
# paper: 79.0 top-1, 93.7 top-5 (supplement, Table 2)
_base_ = [
    '../_base_/models/dualformer.py', '../_base_/datasets/dualformer_k400.py',
    '../_base_/schedules/dualformer-release.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='tiny',
        drop_path_rate=0.1,
        fine_kernels=((2, 8, 8), (2, 4, 4), (2, 2, 2), (1, 1, 1)),
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_tiny_imagenet/epoch_300.pth')),
    cls_head=dict(in_channels=512))
param_scheduler = [dict(_base_.warm_up, end=3), _base_.cosine]
