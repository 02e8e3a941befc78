# bash tools/dist_train.sh configs/vpt_vitb_ssv2.py 8
# VPT-Deep, CLIP ViT-B/16, Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 36.2 top-1 (Table 2)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[dict(type='VPT', site='block', num_prompts=8)]))
