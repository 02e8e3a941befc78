# Kinetics-400, clips of 48 frames at interval 1 (Sec. 5.1; Table A1 prints
# 2).
_base_ = ['./k400.py']

sample = dict(type='SampleFrames', clip_len=48, frame_interval=1)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=_base_.test_clips)
train_pipeline = [
    _base_.open_video, sample, *_base_.train_steps, *_base_.pack_clip
]
val_pipeline = [
    _base_.open_video, sample_val, *_base_.val_steps, *_base_.pack_clip
]
test_pipeline = [
    _base_.open_video, sample_test, *_base_.test_steps, *_base_.pack_clip
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
