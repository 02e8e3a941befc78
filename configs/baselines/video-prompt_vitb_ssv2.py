# bash tools/dist_train.sh configs/baselines/video-prompt_vitb_ssv2.py 8
# VideoPrompt without its text branch, CLIP ViT-B/16, SSv2, 8 frames, 1 x 3
# views.
# paper: 31.0 top-1 (Table 2)
# The prompts of VideoPrompt are in its text branch; without it the temporal
# transformer over the frames is what remains and trains. video-prompt-visual_*
# reads the row as prompts at the image's input.
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
