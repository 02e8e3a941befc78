# bash tools/dist_train.sh configs/backbones/st-adapter_vitb-dinov2_k400.py 8
# ST-Adapter before the MLP, DINOv2 ViT-B/14, Kinetics-400, 32 frames, 3 x 1
# views.
# paper: no figure
# The recipe is DualPath's, as that of all baselines here.
_base_ = [
    '../_base_/models/frames_vitb-dinov2.py',
    '../_base_/datasets/k400_32f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='norm_mlp', width=384, num_frames=32))),
    cls_head=dict(type='FrameMeanHead', num_classes=400, num_frames=32))
