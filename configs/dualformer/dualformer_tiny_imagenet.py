# mim train mmpretrain configs/dualformer/dualformer_tiny_imagenet.py \
#     --gpus 8 --launcher pytorch
# DualFormer-T, ImageNet-1K, the recipe of the supplement (A.2): DeiT's
# augmentation without repeated augmentation and EMA; AdamW 1e-3, decay 0.05,
# 300 epochs with 20 of warm-up.
# paper: 81.9 top-1, 22 M parameters, 4.2 GFLOPs (supplement, Table 1)
# counted in tests/models/backbones/test_dualformer.py: 22.2 M, 2.85 G
_base_ = [
    '../_base_/models/dualformer_image.py',
    'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',
    'mmpretrain::_base_/default_runtime.py'
]

custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)

# 8 GPUs x 128 images
train_dataloader = dict(batch_size=128)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
