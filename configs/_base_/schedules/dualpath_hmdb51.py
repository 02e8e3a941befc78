# DualPath's recipe for HMDB51 (Table A1), for its baselines too. Epochs are
# not in the paper; 50 is from the authors' dump.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(optimizer=dict(lr=1e-4, weight_decay=0.02))
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(enable=False, base_batch_size=128)
