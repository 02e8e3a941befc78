# bash tools/dist_train.sh configs/vpetl/adaptformer_vswinb_hmdb51.py 4
# AdaptFormer-Swin, Video Swin-B, HMDB51, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/hmdb51_8x2.py',
    '../_base_/schedules/sgd_70e_fixed-fc.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='ParallelAdapter',
                site='mlp',
                width=64,
                act_cfg=dict(type='ReLU'),
                scale=0.1))),
    cls_head=dict(num_classes=51))
