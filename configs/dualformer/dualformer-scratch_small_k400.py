# bash tools/dist_train.sh \
#     configs/dualformer/dualformer-scratch_small_k400.py 8
# DualFormer-S from random weights, Kinetics-400, 32 x 2 frames, 4 x 1 views.
# paper: 20 to 30 points less than with ImageNet weights (supplement, Sec. C)
# The recipe of this trial is not told: it is that with ImageNet weights.
_base_ = ['./dualformer_small_k400.py']

model = dict(
    backbone=dict(
        _delete_=True, type='DualFormer', arch='small', drop_path_rate=0.2))
