# bash tools/dist_train.sh configs/vpetl/sequential_vswinb_ssv2.py 4
# The adapter behind the MLP, Video Swin-B, SSv2, 8 frames.
# paper: no figure in the text at hand (V-PETL, Sec. 2.2)
# By the letter of its equation: s ReLU(FFN(LN z) W_down) W_up stands in place
# of FFN(LN z).
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/ssv2_8x2.py',
    '../_base_/schedules/sgd_70e.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='SerialAdapter',
                site='mlp',
                width=64,
                skip=False,
                act_cfg=dict(type='ReLU'),
                scale=0.1))))
