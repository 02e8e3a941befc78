# bash tools/dist_train.sh configs/pro-tuning_vitb_hmdb51.py 8
# Pro-tuning (Eq. 5), CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3 views.
# paper: 63.3 top-1, mean of three splits (Table 3)
_base_ = ['_base_/baselines/vitb_hmdb51.py']

model = dict(
    backbone=dict(adapters=[dict(type='ProTuning', site='block', width=128)]))
