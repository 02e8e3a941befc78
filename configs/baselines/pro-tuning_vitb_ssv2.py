# bash tools/dist_train.sh configs/baselines/pro-tuning_vitb_ssv2.py 8
# Pro-tuning (Eq. 5), CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views.
# paper: 50.8 top-1 (Table 2)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(block=dict(type='ProTuning', site='block', width=128))),
    cls_head=dict(num_classes=174))
