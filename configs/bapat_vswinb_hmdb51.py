# bash tools/dist_train.sh configs/bapat_vswinb_hmdb51.py 4
# Swin-BAPAT, Video Swin-B, HMDB51, 8 frames.
# paper: 71.93 top-1, 75.67 with 16 frames (Sec. 3.4)
# The FC stays as it is initialised (Sec. 2.4 and A.1).
_base_ = [
    '_base_/models/vswinb.py', '_base_/datasets/hmdb51_8x2.py',
    '_base_/schedules/sgd_70e.py', '_base_/default_runtime.py'
]

adapters = [
    dict(type='PATT', site='msa', on='kv', width=128, scale=0.8),
    dict(
        type='ParallelAdapter',
        site='mlp',
        width=64,
        act_cfg=dict(type='ReLU'),
        scale=0.1)
]
model = dict(backbone=dict(adapters=adapters), cls_head=dict(num_classes=51))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(cls_head=dict(lr_mult=0.))))
