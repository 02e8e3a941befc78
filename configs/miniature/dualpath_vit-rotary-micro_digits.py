# python tools/train.py configs/miniature/dualpath_vit-rotary-micro_digits.py
# DualPath of the miniature study on a ViT with rotary positions, EVA-02's.
# paper: no figure, a miniature
_base_ = ['./dualpath_vit-micro_digits.py']

checkpoint = 'work_dirs/pretrain_vit-rotary-micro_digits/iter_3000.pth'
model = dict(
    backbone=dict(
        backbone=dict(
            type='mmpretrain.ViTEVA02', init_cfg=dict(checkpoint=checkpoint))))
