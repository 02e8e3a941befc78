# bash tools/dist_train.sh configs/linear_vitb_k400.py 8
# Linear probe, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 76.6 top-1 (poster)
_base_ = ['_base_/baselines/vitb_k400.py']

model = dict(cls_head=dict(type='FrameMeanHead'))
