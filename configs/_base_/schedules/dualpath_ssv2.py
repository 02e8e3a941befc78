# DualPath's recipe for Something-Something-V2 (Table A1), for its baselines
# too. Epochs are not in the paper; 60 is from the authors' dump. There the
# table's rate is one per 256 clips, which --auto-scale-lr makes of it with
# --cfg-options auto_scale_lr.base_batch_size=256.
_base_ = ['./adamw_cosine.py']

optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.05))
train_cfg = dict(max_epochs=60)
auto_scale_lr = dict(enable=False, base_batch_size=128)
