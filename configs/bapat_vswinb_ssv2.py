# bash tools/dist_train.sh configs/bapat_vswinb_ssv2.py 4
# Swin-BAPAT, Video Swin-B, SSv2, 8 frames.
# paper: 53.36 top-1, 63.14 with 16 frames (Sec. 3.4)
# Other widths, scales and places of PATT (Tables 2 to 4) by, for example,
#   --cfg-options model.backbone.adapters.0.width=64
#   --cfg-options model.backbone.adapters.0.on=v
#   --cfg-options model.backbone.adapters.0.concat=True       ("Concat [K, V]")
#   --cfg-options model.backbone.adapters.0.num_tokens=392    ("No Z [K, V]")
_base_ = [
    '_base_/models/vswinb.py', '_base_/datasets/ssv2_8x2.py',
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
model = dict(backbone=dict(adapters=adapters))
