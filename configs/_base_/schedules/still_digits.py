# 3,000 steps on 16,000 still images of digits, with mmpretrain.
data_root = 'data/miniature/images'
load = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
data_preprocessor = dict(
    mean=[127.5, 127.5, 127.5], std=[63.75, 63.75, 63.75], to_rgb=True)
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='CustomDataset', data_prefix=f'{data_root}/train', pipeline=load))
val_dataloader = dict(
    batch_size=100,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='CustomDataset', data_prefix=f'{data_root}/test', pipeline=load))
val_evaluator = dict(type='Accuracy', topk=(1, ))
test_dataloader = val_dataloader
test_evaluator = val_evaluator

max_iters = 3000
train_cfg = dict(
    type='IterBasedTrainLoop', max_iters=max_iters, val_interval=1000)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=200, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=200, end=max_iters, by_epoch=False)
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100),
    checkpoint=dict(
        type='CheckpointHook',
        interval=max_iters,
        by_epoch=False,
        save_optimizer=False))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)
