# bash tools/dist_train.sh configs/st_adapter/prompt-tuning_vitb_k400.py 8
# Prompt tuning: 128 prompts in front of every block, CLIP ViT-B/16,
# Kinetics-400, 8 frames, 3 x 1 views.
# paper: 79.3 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            prompts=dict(type='VPT', site='block', num_prompts=128))),
    cls_head=dict(type='FrameMeanHead', num_classes=400))
