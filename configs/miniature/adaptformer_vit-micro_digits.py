# python tools/train.py configs/miniature/adaptformer_vit-micro_digits.py
# AdaptFormer (Eq. 4 of DualPath) with the miniature study's ViT.
# paper: no figure, a miniature
_base_ = ['./frames_vit-micro_digits.py']

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='ParallelAdapter',
                site='mlp',
                width=32,
                scale=0.1,
                act_cfg=dict(type='ReLU')))))
