# The recipe of ST-Adapter's release: AdamW, 1e-3 per 256 clips, decay of 1e-2
# on matrices alone, 2 epochs of warm-up.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(
    optimizer=dict(lr=1e-3 * 64 / 256, weight_decay=1e-2, betas=(0.9, 0.999)))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=2, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        begin=2,
        eta_min=0,
        convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=64)
