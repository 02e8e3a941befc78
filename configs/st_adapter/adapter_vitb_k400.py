# bash tools/dist_train.sh configs/st_adapter/adapter_vitb_k400.py 8
# Serial adapters behind attention and MLP (the width gives the paper's 6.77
# M), CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 81.6 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            attn=dict(type='SerialAdapter', site='attn', width=183),
            mlp=dict(type='SerialAdapter', site='mlp', width=183))),
    cls_head=dict(type='FrameMeanHead', num_classes=400))
