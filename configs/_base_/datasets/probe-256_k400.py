# As probe_k400.py, whole clips of 256 pixels.
_base_ = ['./probe_k400.py']

random_crop = [
    dict(type='Resize', scale=(-1, 292)),
    dict(type='RandomResizedCrop', area_range=(0.08, 1.0)),
    dict(type='Resize', scale=(256, 256), keep_ratio=False)
]
center_crop = [
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=256)
]
three_crops = [
    dict(type='Resize', scale=(-1, 256)),
    dict(type='ThreeCrop', crop_size=256)
]
train_pipeline = [
    _base_.open_video, _base_.sample, _base_.decode_video, *random_crop,
    _base_.flip,
    dict(type='ClipAugment', transforms=_base_.augment), *_base_.pack_clip
]
val_pipeline = [
    _base_.open_video, _base_.sample_val, _base_.decode_video, *center_crop,
    *_base_.pack_clip
]
test_pipeline = [
    _base_.open_video, _base_.sample_test, _base_.decode_video, *three_crops,
    *_base_.pack_clip
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
