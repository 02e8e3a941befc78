# bash tools/dist_train.sh configs/st_adapter/st-adapter_vitl_k400.py 8
# ST-Adapter before the MLP, CLIP ViT-L/14, Kinetics-400, 8 frames, 3 x 1
# views.
# paper: 86.7 top-1 (poster)
# The recipe is DualPath's, as that of all baselines here; the release samples
# 8 frames at interval 16 and trains 12 epochs without RandAugment.
_base_ = [
    '../_base_/models/frames_vitl.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter', site='residual_mlp', width=384,
                num_frames=8))),
    cls_head=dict(type='FrameMeanHead', num_classes=400))
