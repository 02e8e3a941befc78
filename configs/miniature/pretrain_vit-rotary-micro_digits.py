# mim train mmpretrain configs/miniature/pretrain_vit-rotary-micro_digits.py
# Pretrains a ViT with rotary positions, EVA-02's, on still images of digits.
# paper: no figure, a miniature
_base_ = ['./pretrain_vit-micro_digits.py']

model = dict(backbone=dict(type='ViTEVA02'))
