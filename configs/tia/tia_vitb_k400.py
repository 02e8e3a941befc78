# bash tools/dist_train.sh configs/tia/tia_vitb_k400.py 8
# TIA, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: no figure, it finds actions in long videos
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            block=dict(type='TIA', site='block', num_frames=8, width=192))),
    cls_head=dict(type='FrameMeanHead', num_classes=400))
