# As zeroi2v_ssv2.py, 16 frames.
_base_ = ['./zeroi2v_ssv2.py']

sample = dict(type='UniformSample', clip_len=16)
sample_test = dict(sample, test_mode=True)
train_pipeline = [
    _base_.open_video, sample, *_base_.train_steps, *_base_.pack_frames
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
