# DualPath's recipe for Diving-48 (Table A1). Epochs are not in the paper; 50
# is from the authors' dump.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=0.03))
train_cfg = dict(max_epochs=50)
auto_scale_lr = dict(enable=False, base_batch_size=128)
