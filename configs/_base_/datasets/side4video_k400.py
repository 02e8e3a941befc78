# Kinetics-400 as Side4Video's release reads it: 8 frames spread over the whole
# video, without RandAugment. Tests read 3 clips x 1 crop.
_base_ = ['./k400.py']

train_steps = [_base_.decode_video, *_base_.random_crop, _base_.flip]
sample = dict(type='UniformSample', clip_len=8)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=_base_.test_clips)
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
