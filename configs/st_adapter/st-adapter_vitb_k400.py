# bash tools/dist_train.sh configs/st_adapter/st-adapter_vitb_k400.py 8
# ST-Adapter before the MLP ("12x384"), CLIP ViT-B/16, Kinetics-400, 32 frames,
# 3 x 1 views.
# paper: 82.7 top-1 (DualPath's Table 1)
# The recipe is DualPath's, as that of all baselines here; the release samples
# 8 frames at interval 16 and trains 12 epochs without RandAugment.
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_32f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

num_frames = 32
model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='STAdapter',
                site='residual_mlp',
                width=384,
                num_frames=num_frames))),
    cls_head=dict(
        type='FrameMeanHead', num_classes=400, num_frames=num_frames))
