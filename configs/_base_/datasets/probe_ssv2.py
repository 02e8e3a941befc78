# SSv2 as V-JEPA 2's probes read it: 16 frames at interval 4, here of
# 224 pixels and one by one. Tests read 2 clips x 3 crops.
_base_ = ['./ssv2.py']

sample = dict(type='SampleFrames', clip_len=16, frame_interval=4)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=2)
train_pipeline = [
    _base_.open_video, sample, *_base_.train_steps, *_base_.pack_frames
]
val_pipeline = [
    _base_.open_video, sample_val, *_base_.val_steps, *_base_.pack_frames
]
test_pipeline = [
    _base_.open_video, sample_test, _base_.decode_video, *_base_.three_crops,
    *_base_.pack_frames
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
