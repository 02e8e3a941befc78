# mim train mmpretrain configs/dualformer/dualformer_base_imagenet.py \
#     --gpus 8 --launcher pytorch
# DualFormer-B, ImageNet-1K, the recipe of the supplement (A.2).
# paper: 84.0 top-1, 88 M parameters, 14.7 GFLOPs (supplement, Table 1)
# counted in tests/models/backbones/test_dualformer.py: 87.8 M, 14.57 G
_base_ = ['./dualformer_tiny_imagenet.py']

model = dict(
    backbone=dict(arch='base', drop_path_rate=0.3),
    head=dict(in_channels=1024))
