# bash tools/dist_train.sh configs/adapter_vitb_ssv2.py 8
# Serial adapters behind attention and MLP (the width gives the paper's 6.77
# M), CLIP ViT-B/16, Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 46.2 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='SerialAdapter', site='attn', width=183),
        dict(type='SerialAdapter', site='mlp', width=183)
    ]),
    cls_head=dict(type='FrameMeanHead'))
