# bash tools/dist_train.sh configs/st_adapter/st-adapter_vitb_ssv2.py 8
# ST-Adapter before attention and MLP ("24x384"), CLIP ViT-B/16, SSv2, 32
# frames, 1 x 3 views.
# paper: 69.5 top-1 (DualPath's Table 2, with 11 M trainable parameters; 24x384
#   has 14.4 M)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_32f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

num_frames = 32
model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter',
                site='residual_mlp',
                width=384,
                num_frames=num_frames),
            attn=dict(
                type='STAdapter',
                site='block',
                width=384,
                num_frames=num_frames))),
    cls_head=dict(
        type='FrameMeanHead', num_classes=174, num_frames=num_frames))
