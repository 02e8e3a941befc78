# Side4Video's recipe: AdamW, 30 epochs, 4 of them warm-up; decay of all
# parameters but biases, norms and positions.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(
    optimizer=dict(lr=1e-3, weight_decay=0.15),
    paramwise_cfg=dict(custom_keys=dict(positions=dict(decay_mult=0.))))
train_cfg = dict(max_epochs=30)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=4, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        begin=4,
        eta_min=0,
        convert_to_iter_based=True)
]
