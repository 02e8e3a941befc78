# bash tools/dist_train.sh configs/adaptformer_vitb_ssv2.py 8
# AdaptFormer (Eq. 4), CLIP ViT-B/16, Something-Something-V2, 8 frames, 1 x 3
# views.
# paper: 51.3 top-1 (Table 2)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(
            type='ParallelAdapter',
            site='mlp',
            width=64,
            scale=0.1,
            act_cfg=dict(type='ReLU'))
    ]))
