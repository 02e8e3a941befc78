# bash tools/dist_train.sh configs/adaptformer_vswinb_ssv2.py 4
# AdaptFormer-Swin, Video Swin-B, SSv2, 8 frames.
# paper: see Table 2.
_base_ = [
    '_base_/models/vswinb.py', '_base_/datasets/ssv2_8x2.py',
    '_base_/schedules/sgd_70e.py', '_base_/default_runtime.py'
]

adapters = [
    dict(
        type='ParallelAdapter',
        site='mlp',
        width=64,
        act_cfg=dict(type='ReLU'),
        scale=0.1)
]
model = dict(backbone=dict(adapters=adapters))
