# V-PETL's recipe for the ViTs, in batches of 256 (Sec. 2.4).
_base_ = ['./sgd_70e.py']

base_batch_size = 256
optim_wrapper = dict(optimizer=dict(lr=0.1 * base_batch_size / 256))
auto_scale_lr = dict(base_batch_size=base_batch_size)
