# bash tools/dist_train.sh configs/st_adapter/st-adapter_vitb_hmdb51.py 8
# ST-Adapter before the MLP ("12x384"), CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3
# views.
# paper: 65.9 top-1, mean of three splits (DualPath's Table 3)
_base_ = [
    '../_base_/models/frames_vitb.py',
    '../_base_/datasets/hmdb51_8f_frames.py',
    '../_base_/schedules/dualpath_hmdb51.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='residual_mlp', width=384,
                num_frames=8))),
    cls_head=dict(type='FrameMeanHead', num_classes=51))
