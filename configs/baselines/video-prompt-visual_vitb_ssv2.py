# bash tools/dist_train.sh configs/baselines/video-prompt-visual_vitb_ssv2.py 8
# VideoPrompt without its text branch, read as prompts at the image's input,
# CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views.
# paper: 31.0 top-1 (Table 2)
# video-prompt_* is the reading that the text of the paper supports.
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            prompts=dict(type='VPT', site='block', num_prompts=8,
                         deep=False))),
    cls_head=dict(num_classes=174))
