# python tools/train.py configs/adaptformer_vit-mini_digits.py
# AdaptFormer (Eq. 4) with the miniature ViT of tools/quickstart.sh, on the
# rendered motions of digits, 8 frames.
_base_ = ['_base_/baselines/vit-mini_digits.py']

model = dict(
    backbone=dict(adapters=[
        dict(
            type='ParallelAdapter',
            site='mlp',
            width=32,
            scale=0.1,
            act_cfg=dict(type='ReLU'))
    ]))
