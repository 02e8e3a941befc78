# AIM's recipe, and ZeroI2V's: 2.5 epochs of warm-up under the cosine, 64 clips
# a step, 30 epochs for Kinetics-400. Positions in time are not decayed.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(
    optimizer=dict(lr=3e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(positions=dict(decay_mult=0.))))
train_cfg = dict(max_epochs=30)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.1, end=2.5,
        convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0)
]
auto_scale_lr = dict(enable=False, base_batch_size=64)
