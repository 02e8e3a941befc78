# bash tools/dist_train.sh configs/st-adapter_vitb_hmdb51.py 8
# ST-Adapter before the MLP ("12x384"), CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3
# views.
# paper: 65.9 top-1, mean of three splits (Table 3)
_base_ = ['_base_/baselines/vitb_hmdb51.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=384, num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead', num_frames=8))
