# DualFormer's schedule as its release has it: the rate is 1e-3 everywhere but
# in the backbone, which has a tenth; positions, named more closely, train at
# the full rate without decay, and norms are decayed like the rest.
_base_ = ['./dualformer.py']

optim_wrapper = dict(
    optimizer=dict(lr=1e-3),
    paramwise_cfg=dict(
        _delete_=True,
        custom_keys={
            '.position.': dict(decay_mult=0.),
            'backbone': dict(lr_mult=0.1)
        }))
