# bash tools/dist_train.sh configs/attentive-pooling_vitb_ssv2.py 8
# Attentional pooling of all tokens, CLIP ViT-B/16, Something-Something-V2, 8
# frames, 1 x 3 views.
# paper: 21.5 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(backbone=dict(out_type='raw')),
    cls_head=dict(type='AttentivePoolingHead'))
