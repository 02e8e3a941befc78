# bash tools/dist_train.sh \
#     configs/baselines/video-prompt-visual_vitb_hmdb51.py 8
# VideoPrompt without its text branch, read as prompts at the image's input,
# CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3 views.
# paper: 66.4 top-1, mean of three splits (Table 3)
# video-prompt_* is the reading that the text of the paper supports.
_base_ = [
    '../_base_/models/frames_vitb.py',
    '../_base_/datasets/hmdb51_8f_frames.py',
    '../_base_/schedules/dualpath_hmdb51.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            prompts=dict(type='VPT', site='block', num_prompts=8,
                         deep=False))),
    cls_head=dict(num_classes=51))
