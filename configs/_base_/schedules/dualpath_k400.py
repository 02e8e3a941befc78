# DualPath's recipe for Kinetics-400 (Table A1), for its baselines too. Epochs
# are not in the paper; 30 is AIM's, which has the same backbone, rate, decay
# and batch; ST-Adapter's release trains 12.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=0.05))
train_cfg = dict(max_epochs=30)
auto_scale_lr = dict(enable=False, base_batch_size=64)
