# EVL's recipe: AdamW, 50 000 steps of 256 clips, here in epochs, which each
# data set names; a cosine without warm-up, which the facts known here leave
# open.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(
    optimizer=dict(lr=4e-4, weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(positions=dict(decay_mult=0.))))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=256)
