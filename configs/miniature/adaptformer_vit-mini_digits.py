# python tools/train.py configs/miniature/adaptformer_vit-mini_digits.py
# AdaptFormer (Eq. 4 of DualPath) with the miniature ViT, on the rendered
# motions of digits, 8 frames.
# paper: no figure, a miniature
_base_ = ['./frames_vit-mini_digits.py']

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='ParallelAdapter',
                site='mlp',
                width=32,
                scale=0.1,
                act_cfg=dict(type='ReLU')))))
