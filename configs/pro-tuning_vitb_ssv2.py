# bash tools/dist_train.sh configs/pro-tuning_vitb_ssv2.py 8
# Pro-tuning (Eq. 5), CLIP ViT-B/16, Something-Something-V2, 8 frames, 1 x 3
# views.
# paper: 50.8 top-1 (Table 2)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[dict(type='ProTuning', site='block', width=128)]))
