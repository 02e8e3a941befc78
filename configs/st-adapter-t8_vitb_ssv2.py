# bash tools/dist_train.sh configs/st-adapter-t8_vitb_ssv2.py 8
# ST-Adapter before attention and MLP ("24x384"), CLIP ViT-B/16, Something-
# Something-V2, 8 frames, 1 x 3 views.
# paper: 67.1 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=384, num_frames=8),
        dict(type='STAdapter', site='block', width=384, num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead'))
