# bash tools/dist_train.sh configs/linear_vitb_ssv2.py 8
# Linear probe, CLIP ViT-B/16, Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 21.9 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(cls_head=dict(type='FrameMeanHead'))
