# Something-Something-V2 as Side4Video reads it: 8 frames spread over the whole
# video, RandAugment without random erasing. Tests read 2 clips x 3 crops.
_base_ = ['./ssv2.py']

train_steps = [
    _base_.decode_video, *_base_.random_crop,
    dict(type='ClipAugment', transforms=_base_.rand_augment)
]
sample = dict(type='UniformSample', clip_len=8)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=2)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_frames]
val_pipeline = [
    _base_.open_video, sample_val, *_base_.val_steps, *_base_.pack_frames
]
test_pipeline = [
    _base_.open_video, sample_test, *_base_.test_steps, *_base_.pack_frames
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
