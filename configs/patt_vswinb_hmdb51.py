# bash tools/dist_train.sh configs/patt_vswinb_hmdb51.py 4
# PATT alone, Video Swin-B, HMDB51, 8 frames.
# paper: see Table 2.
_base_ = [
    '_base_/models/vswinb.py', '_base_/datasets/hmdb51_8x2.py',
    '_base_/schedules/sgd_70e.py', '_base_/default_runtime.py'
]

adapters = [dict(type='PATT', site='msa', on='kv', width=128, scale=0.8)]
model = dict(backbone=dict(adapters=adapters), cls_head=dict(num_classes=51))
