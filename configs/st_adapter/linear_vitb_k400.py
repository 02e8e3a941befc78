# bash tools/dist_train.sh configs/st_adapter/linear_vitb_k400.py 8
# Linear probe, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 76.6 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(type='FrameMeanHead', num_classes=400))
