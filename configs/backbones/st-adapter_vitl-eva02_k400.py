# bash tools/dist_train.sh configs/backbones/st-adapter_vitl-eva02_k400.py 8
# ST-Adapter before the MLP, EVA-02-CLIP-L/14, Kinetics-400, 8 frames, 3 x 1
# views.
# paper: no figure
# The recipe is DualPath's, as that of all baselines here.
_base_ = [
    '../_base_/models/frames_vitl-eva02.py',
    '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='norm_mlp', width=384, num_frames=8))),
    cls_head=dict(type='FrameMeanHead', num_classes=400, num_frames=8))
