# AdamW with a cosine schedule over 30 epochs, batches of 128. The learning
# rate is 1e-3, that of the backbone a tenth of it.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=30, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(
        type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.02),
    paramwise_cfg=dict(
        norm_decay_mult=0.,
        custom_keys=dict(head=dict(lr_mult=10.),
                         position=dict(decay_mult=0.))))

# The cosine ends with the training; a config of its own warm-up puts the two
# together anew.
warm_up = dict(
    type='LinearLR', start_factor=0.1, end=2.5, convert_to_iter_based=True)
cosine = dict(type='CosineAnnealingLR', eta_min=0)
param_scheduler = [warm_up, cosine]
auto_scale_lr = dict(enable=False, base_batch_size=128)
