# bash tools/dist_train.sh configs/st_adapter/st-adapter_vitl_ssv2.py 8
# ST-Adapter before the MLP, CLIP ViT-L/14, SSv2, 8 frames, 1 x 3 views.
# paper: 70.0 top-1 (poster)
# The poster's 2062 GFLOPs fit one adapter a block, as on Kinetics-400;
# st-adapter-48x384_vitl_ssv2.py has two.
_base_ = [
    '../_base_/models/frames_vitl.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='residual_mlp', width=384,
                num_frames=8))),
    cls_head=dict(type='FrameMeanHead', num_classes=174))
