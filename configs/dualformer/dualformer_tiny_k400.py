# bash tools/dist_train.sh configs/dualformer/dualformer_tiny_k400.py 8
# DualFormer-T, Kinetics-400, 32 x 2 frames, 4 x 1 views.
# paper: 79.0 top-1, 93.7 top-5 (supplement, Table 2)
_base_ = [
    '../_base_/models/dualformer.py', '../_base_/datasets/dualformer_k400.py',
    '../_base_/schedules/dualformer.py', '../_base_/default_runtime.py'
]

# 2.5 for the larger models
param_scheduler = [dict(_base_.warm_up, end=3), _base_.cosine]
