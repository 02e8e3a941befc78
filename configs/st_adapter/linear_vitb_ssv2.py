# bash tools/dist_train.sh configs/st_adapter/linear_vitb_ssv2.py 8
# Linear probe, CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views.
# paper: 21.9 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(type='FrameMeanHead', num_classes=174))
