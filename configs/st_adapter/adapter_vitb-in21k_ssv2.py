# bash tools/dist_train.sh configs/st_adapter/adapter_vitb-in21k_ssv2.py 8
# Serial adapters behind attention and MLP (the width gives the paper's 6.77
# M), ViT-B/16 (ImageNet-21K), SSv2, 8 frames, 1 x 3 views.
# paper: 40.5 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            attn=dict(type='SerialAdapter', site='attn', width=183),
            mlp=dict(type='SerialAdapter', site='mlp', width=183))),
    cls_head=dict(type='FrameMeanHead', num_classes=174))
