# V-PETL's recipe (Sec. 2.4): SGD, 0.1 per 256 clips, no weight decay, 70
# epochs with 10 of warm-up. The momentum is AdaptFormer's.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=70, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

base_batch_size = 64
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD',
        lr=0.1 * base_batch_size / 256,
        momentum=0.9,
        weight_decay=0.))
auto_scale_lr = dict(enable=False, base_batch_size=base_batch_size)

param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=10,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        begin=10,
        eta_min=0,
        convert_to_iter_based=True)
]
