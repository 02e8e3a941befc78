# mim train mmpretrain configs/dualformer/dualformer_base_imagenet21k.py \
#     --gpus 8 --launcher pytorch
# DualFormer-B, ImageNet-21K, the recipe of the supplement (A.2), for the
# Kinetics-600 model.
# paper: no figure
_base_ = [
    '../_base_/models/dualformer_image.py',
    'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py',
    'mmpretrain::_base_/schedules/imagenet_bs1024_adamw_swin.py',
    'mmpretrain::_base_/default_runtime.py'
]

custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)

num_classes = 21842
model = dict(
    backbone=dict(arch='base', drop_path_rate=0.2),
    head=dict(num_classes=num_classes, in_channels=1024))
data_preprocessor = dict(num_classes=num_classes)
# 8 GPUs x 128 images
train_dataloader = dict(
    batch_size=128,
    dataset=dict(
        type='ImageNet21k', data_root='data/imagenet21k', split='train'))
# The data set has no validation split.
val_dataloader = val_evaluator = val_cfg = None
test_dataloader = test_evaluator = test_cfg = None

train_cfg = dict(max_epochs=100)
optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.01))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, end=5, convert_to_iter_based=True),
    dict(
        type='LinearLR',
        start_factor=1.,
        end_factor=0.,
        begin=5,
        convert_to_iter_based=True)
]
default_hooks = dict(checkpoint=dict(max_keep_ckpts=3))
