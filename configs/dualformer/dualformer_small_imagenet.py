# mim train mmpretrain configs/dualformer/dualformer_small_imagenet.py \
#     --gpus 8 --launcher pytorch
# DualFormer-S, ImageNet-1K, the recipe of the supplement (A.2).
# paper: 83.5 top-1, 50 M parameters, 8.1 GFLOPs (supplement, Table 1)
# counted in tests/models/backbones/test_dualformer.py: 49.6 M, 8.26 G
_base_ = ['./dualformer_tiny_imagenet.py']

model = dict(
    backbone=dict(arch='small', drop_path_rate=0.2),
    head=dict(in_channels=768))
