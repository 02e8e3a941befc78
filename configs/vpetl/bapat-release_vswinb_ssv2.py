# bash tools/dist_train.sh configs/vpetl/bapat-release_vswinb_ssv2.py 4
# Swin-BAPAT as its authors released it: of the last stage's frames two at a
# time are averaged at stride 1 and then all (weights 1, 2, 2, 1 of 6 for four
# frames), no dropout before the classifier. Their mode patt_qk, which leaves
# out softmax, bias and mask, and their prefix modes, which fail at the widths
# of Swin-B, are not built. Video Swin-B, SSv2, 8 frames. It tests what their
# scripts save.
# paper: 53.36 top-1 (V-PETL, Sec. 3.4)
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
                scale=0.1))),
    cls_head=dict(
        _delete_=True,
        type='ClipMeanHead',
        in_channels=1024,
        num_classes=174,
        pool_frames=2,
        average_clips='prob'))
