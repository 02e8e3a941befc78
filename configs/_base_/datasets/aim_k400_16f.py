# As aim_k400.py, 16 frames over the same 128.
_base_ = ['./aim_k400.py']

sample = dict(type='SampleFrames', clip_len=16, frame_interval=8)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=_base_.test_clips)
train_pipeline = [
    _base_.open_video, sample, *_base_.train_steps, *_base_.pack_frames
]
val_pipeline = [
    _base_.open_video, sample_val, *_base_.val_steps, *_base_.pack_frames
]
test_pipeline = [
    _base_.open_video, sample_test, *_base_.test_steps, *_base_.pack_frames
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
