# HMDB51, split 1, as V-PETL reads it: 8 frames with a stride of 2. Apart from
# cropping and flipping nothing is augmented (Sec. 2.4). Tests read 1 clip x 3
# crops; the paper leaves the views open.
_base_ = ['./hmdb51.py']

train_steps = [_base_.decode_video, *_base_.random_crop, _base_.flip]

sample = dict(type='SampleFrames', clip_len=8, frame_interval=2)
sample_test = dict(sample, test_mode=True)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_clip]
val_pipeline = [
    _base_.open_video, sample_test, *_base_.val_steps, *_base_.pack_clip
]
test_pipeline = [
    _base_.open_video, sample_test, *_base_.test_steps, *_base_.pack_clip
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
