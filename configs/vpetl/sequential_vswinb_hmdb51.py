# bash tools/dist_train.sh configs/vpetl/sequential_vswinb_hmdb51.py 4
# The adapter behind the MLP, Video Swin-B, HMDB51, 8 frames.
# paper: no figure in the text at hand (V-PETL, Sec. 2.2)
# By the letter of its equation: s ReLU(FFN(LN z) W_down) W_up stands in place
# of FFN(LN z).
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/hmdb51_8x2.py',
    '../_base_/schedules/sgd_70e_fixed-fc.py', '../_base_/default_runtime.py'
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
                scale=0.1))),
    cls_head=dict(num_classes=51))
