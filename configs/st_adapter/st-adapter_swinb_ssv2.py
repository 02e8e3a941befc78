# bash tools/dist_train.sh configs/st_adapter/st-adapter_swinb_ssv2.py 8
# ST-Adapter before the MLP, half the channels wide (which gives the paper's 7
# M), Swin-B (ImageNet-21K), SSv2, 8 frames, 1 x 3 views.
# paper: 65.1 top-1 (DualPath's Table A2)
_base_ = [
    '../_base_/models/frames_swinb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter',
                site='residual_mlp',
                width=None,
                num_frames=8))),
    cls_head=dict(type='FrameMeanHead', num_classes=174))
