# bash tools/dist_train.sh configs/vpetl/patt_vswinb_hmdb51.py 4
# PATT alone (Eq. 9 and 10), Video Swin-B, HMDB51, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/hmdb51_8x2.py',
    '../_base_/schedules/sgd_70e_fixed-fc.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            patt=dict(type='PATT', site='msa', on='kv', width=128,
                      scale=0.8))),
    cls_head=dict(num_classes=51))
