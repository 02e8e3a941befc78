# bash tools/dist_train.sh \
#     configs/st_adapter/prompt-tuning_vitb-in21k_ssv2.py 8
# Prompt tuning: 128 prompts in front of every block, ViT-B/16 (ImageNet-21K),
# SSv2, 8 frames, 1 x 3 views.
# paper: 26.3 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            prompts=dict(type='VPT', site='block', num_prompts=128))),
    cls_head=dict(type='FrameMeanHead', num_classes=174))
