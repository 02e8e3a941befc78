# bash tools/dist_train.sh configs/vpetl/bapat_vswinb_hmdb51.py 4
# Swin-BAPAT, Video Swin-B, HMDB51, 8 frames.
# paper: 71.93 top-1 (V-PETL, Sec. 3.4)
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/hmdb51_8x2.py',
    '../_base_/schedules/sgd_70e_fixed-fc.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            patt=dict(type='PATT', site='msa', on='kv', width=128, scale=0.8),
            mlp=dict(
                type='ParallelAdapter',
                site='mlp',
                width=64,
                act_cfg=dict(type='ReLU'),
                scale=0.1))),
    cls_head=dict(num_classes=51))
