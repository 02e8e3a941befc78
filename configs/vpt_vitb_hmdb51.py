# bash tools/dist_train.sh configs/vpt_vitb_hmdb51.py 8
# VPT-Deep, CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3 views.
# paper: 62.4 top-1, mean of three splits (Table 3)
_base_ = ['_base_/baselines/vitb_hmdb51.py']

model = dict(
    backbone=dict(adapters=[dict(type='VPT', site='block', num_prompts=8)]))
