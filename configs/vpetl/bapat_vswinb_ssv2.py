# bash tools/dist_train.sh configs/vpetl/bapat_vswinb_ssv2.py 4
# Swin-BAPAT, Video Swin-B, SSv2, 8 frames.
# paper: 53.36 top-1 (V-PETL, Sec. 3.4)
# Other widths, scales and places of PATT by, for example, --cfg-options
# model.backbone.adapters.patt.on=v; Table 4 starts from Kinetics-600:
# bapat_vswinb-k600_ssv2.py.
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/ssv2_8x2.py',
    '../_base_/schedules/sgd_70e.py', '../_base_/default_runtime.py'
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
                scale=0.1))))
