# Something-Something-V2, 8 frames of a clip one by one, augmented as in
# ST-Adapter's release: four operations of RandAugment at 7 of 10 (21 of
# torchvision's 30), no erasing.
_base_ = ['./ssv2.py']

mild = [dict(type='RandAugment', num_ops=4, magnitude=21)]
sample = dict(type='UniformSample', clip_len=8)
sample_test = dict(sample, test_mode=True)
train_pipeline = [
    _base_.open_video, sample, _base_.decode_video, *_base_.random_crop,
    dict(type='ClipAugment', transforms=mild), *_base_.pack_frames
]
val_pipeline = [
    _base_.open_video, sample_test, *_base_.val_steps, *_base_.pack_frames
]
test_pipeline = [
    _base_.open_video, sample_test, *_base_.test_steps, *_base_.pack_frames
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
