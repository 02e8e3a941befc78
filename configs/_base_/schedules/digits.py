# Four epochs of AdamW for the miniature: a quarter of warm-up, a constant
# rate, and a last epoch down to zero.
epochs = 4
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.),
    clip_grad=dict(max_norm=1.0))
warm_up = dict(
    type='LinearLR', start_factor=0.01, end=0.25, convert_to_iter_based=True)
decay = dict(
    type='LinearLR',
    end_factor=0.,
    start_factor=1.,
    convert_to_iter_based=True)
param_scheduler = [warm_up, dict(decay, begin=epochs - 1, end=epochs)]
randomness = dict(seed=0)
