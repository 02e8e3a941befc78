# AdamW with a cosine schedule (Table A1 of DualPath), 3 epochs of warm-up as
# in the authors' dump. Rates, decay and epochs are set per data set.
# Biases, norms, class tokens and positions are not decayed; the dump decays
# everything.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=60, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TrainableParamsConstructor',
    optimizer=dict(
        type='AdamW', lr=5e-4, betas=(0.9, 0.999), weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        bias_decay_mult=0.,
        custom_keys=dict(
            cls_token=dict(decay_mult=0.), pos_embed=dict(decay_mult=0.))))

# The cosine ends with the training, which is longer than the warm-up.
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=3, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        begin=3,
        eta_min=0,
        convert_to_iter_based=True)
]
