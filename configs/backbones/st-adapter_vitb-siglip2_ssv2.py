# bash tools/dist_train.sh configs/backbones/st-adapter_vitb-siglip2_ssv2.py 8
# ST-Adapter before attention and MLP, SigLIP 2 ViT-B/16, SSv2, 32 frames, 1 x
# 3 views.
# paper: no figure
# The recipe is DualPath's, as that of all baselines here.
_base_ = [
    '../_base_/models/frames_vitb-siglip2.py',
    '../_base_/datasets/ssv2_32f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='norm_mlp', width=384, num_frames=32),
            attn=dict(
                type='STAdapter', site='block', width=384, num_frames=32))),
    cls_head=dict(type='FrameMeanHead', num_classes=174, num_frames=32))
