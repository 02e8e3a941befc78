# Diving-48 as AIM reads it: 32 frames spread over the whole video, without
# RandAugment. Tests read 1 clip x 1 crop.
_base_ = ['./diving48.py']

train_steps = [_base_.decode_video, *_base_.random_crop, _base_.flip]
sample = dict(type='UniformSample', clip_len=32)
sample_val = dict(sample, test_mode=True)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_frames]
val_pipeline = [
    _base_.open_video, sample_val, *_base_.val_steps, *_base_.pack_frames
]
test_pipeline = [
    _base_.open_video, sample_val, *_base_.test_steps, *_base_.pack_frames
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
