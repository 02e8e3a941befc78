# A training ends when ten evaluations in a row are not a whole point better
# than the best before them, or after 10,000 steps. The rate is constant, so
# that nothing depends on when that is, and what is evaluated is the moving
# average of the parameters.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=10_000, val_interval=250)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False)
]
custom_hooks = [
    dict(type='EMAHook', momentum=0.05, interval=5),
    dict(
        type='EarlyStoppingHook',
        monitor='acc/top1',
        min_delta=0.01,
        patience=10)
]
randomness = dict(seed=0)
