# bash tools/dist_train.sh configs/prompt-tuning_vitb_ssv2.py 8
# Prompt tuning: 128 prompts in front of every block, CLIP ViT-B/16,
# Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 39.3 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[dict(type='VPT', site='block', num_prompts=128)]),
    cls_head=dict(type='FrameMeanHead'))
