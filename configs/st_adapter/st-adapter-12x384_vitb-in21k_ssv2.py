# bash tools/dist_train.sh \
#     configs/st_adapter/st-adapter-12x384_vitb-in21k_ssv2.py 8
# ST-Adapter before the MLP ("12x384"), ViT-B/16 (ImageNet-21K), SSv2, 8
# frames, 1 x 3 views.
# paper: 62.8 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='residual_mlp', width=384,
                num_frames=8))),
    cls_head=dict(type='FrameMeanHead', num_classes=174))
