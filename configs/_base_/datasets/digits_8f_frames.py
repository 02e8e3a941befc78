# Rendered motions of digits, 8 frames of a clip one by one.
_base_ = ['./digits.py']

sample = dict(type='UniformSample', clip_len=8, test_mode=True)
train_pipeline = [
    _base_.open_video, sample, _base_.decode_video, *_base_.pack_frames
]
test_pipeline = train_pipeline
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
