# bash tools/dist_train.sh configs/adaptformer_vitb_hmdb51.py 8
# AdaptFormer (Eq. 4), CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3 views.
# paper: 63.7 top-1, mean of three splits (Table 3)
_base_ = ['_base_/baselines/vitb_hmdb51.py']

model = dict(
    backbone=dict(adapters=[
        dict(
            type='ParallelAdapter',
            site='mlp',
            width=64,
            scale=0.1,
            act_cfg=dict(type='ReLU'))
    ]))
