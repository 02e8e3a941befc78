# Something-Something-V2 as the authors' dump samples it: 16 frames at a
# stride drawn from {1, 2, 4, 8} for each training clip, at stride 4 in
# tests; beyond the end of a video its last frame is repeated. The dump
# stretches a training clip by 16/15 and starts its test clip with the video,
# which this data set's videos are seldom longer than.
_base_ = ['./ssv2.py']

dense = dict(type='SampleFrames', clip_len=16, out_of_bound_opt='repeat_last')
any_stride = dict(
    type='RandomChoice',
    transforms=[[dict(dense, frame_interval=s)] for s in (1, 2, 4, 8)])
dense_test = dict(dense, frame_interval=4, test_mode=True)
train_pipeline = [
    _base_.open_video, any_stride, *_base_.train_steps, *_base_.pack_clip
]
val_pipeline = [
    _base_.open_video, dense_test, *_base_.val_steps, *_base_.pack_clip
]
test_pipeline = [
    _base_.open_video, dense_test, *_base_.test_steps, *_base_.pack_clip
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
