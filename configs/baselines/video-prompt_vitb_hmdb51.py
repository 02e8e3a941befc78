# bash tools/dist_train.sh configs/baselines/video-prompt_vitb_hmdb51.py 8
# VideoPrompt without its text branch, CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3
# views.
# paper: 66.4 top-1, mean of three splits (Table 3)
# The prompts of VideoPrompt are in its text branch; without it the temporal
# transformer over the frames is what remains and trains. video-prompt-visual_*
# reads the row as prompts at the image's input. Sec. 5.2 says of the figure
# for HMDB51 that it has the text branch.
_base_ = [
    '../_base_/models/frames_vitb.py',
    '../_base_/datasets/hmdb51_8f_frames.py',
    '../_base_/schedules/dualpath_hmdb51.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=51))
