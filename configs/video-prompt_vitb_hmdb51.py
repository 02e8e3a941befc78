# bash tools/dist_train.sh configs/video-prompt_vitb_hmdb51.py 8
# VideoPrompt without its text branch: prompts at the input, CLIP ViT-B/16,
# HMDB51, 8 frames, 2 x 3 views.
# paper: 66.4 top-1, mean of three splits (Table 3)
_base_ = ['_base_/baselines/vitb_hmdb51.py']

model = dict(
    backbone=dict(
        adapters=[dict(type='VPT', site='block', num_prompts=8, deep=False)]))
