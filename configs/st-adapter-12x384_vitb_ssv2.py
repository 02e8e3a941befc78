# bash tools/dist_train.sh configs/st-adapter-12x384_vitb_ssv2.py 8
# ST-Adapter before the MLP, CLIP ViT-B/16, Something-Something-V2, 8 frames,
# 1 x 3 views.
# paper: 66.3 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=384, num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead'))
