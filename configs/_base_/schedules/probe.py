# The recipe of V-JEPA 2's probes: AdamW, a cosine to zero without warm-up, 20
# epochs, 256 clips a step. Of the paper's rates of 5e-3 to 1e-4 and decays of
# 0.01 to 0.8, this is one pair; the best on the validation set counts.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=0.01))
train_cfg = dict(max_epochs=20)
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0, convert_to_iter_based=True)
]
# Reads features from files if model.backbone.cache names their folder.
custom_hooks = [dict(type='CachedFeaturesHook')]
auto_scale_lr = dict(enable=False, base_batch_size=256)
