# V-PETL's recipe for HMDB51: the FC stays as it is initialised ("without
# tuning the FC layer", Sec. 2.4 and A.1).
_base_ = ['./sgd_70e.py']

optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(cls_head=dict(lr_mult=0.))))
