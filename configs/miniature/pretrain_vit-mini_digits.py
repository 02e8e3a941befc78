# mim train mmpretrain configs/miniature/pretrain_vit-mini_digits.py
# Pretrains the miniature ViT on static images of digits, with mmpretrain.
# paper: no figure, a miniature
_base_ = ['../_base_/models/vit-mini.py']
default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)

model = dict(
    type='ImageClassifier',
    backbone=_base_.backbone,
    # It starts as torch draws it; the default, zeros, learns much later.
    head=dict(
        type='VisionTransformerClsHead',
        num_classes=10,
        in_channels=64,
        init_cfg=None))
data_preprocessor = dict(
    num_classes=10,
    mean=[127.5, 127.5, 127.5],
    std=[63.75, 63.75, 63.75],
    to_rgb=True)

data_root = 'data/digits/images'
train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset',
        data_prefix=f'{data_root}/train',
        pipeline=[dict(type='LoadImageFromFile'),
                  dict(type='PackInputs')]))
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset',
        data_prefix=f'{data_root}/test',
        pipeline=[dict(type='LoadImageFromFile'),
                  dict(type='PackInputs')]))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator

max_epochs = 6
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        end=0.25,
        convert_to_iter_based=True),
    dict(
        type='LinearLR',
        start_factor=1.,
        end_factor=0.,
        begin=0.67 * max_epochs,
        end=max_epochs,
        convert_to_iter_based=True)
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=25),
    checkpoint=dict(
        type='CheckpointHook', interval=max_epochs, save_optimizer=False))
randomness = dict(seed=0)
