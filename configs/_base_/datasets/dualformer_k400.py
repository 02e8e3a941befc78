# Kinetics-400 as DualFormer reads it: 32 frames at interval 2; apart from
# cropping and flipping nothing is augmented. Tests read 4 clips x 1 crop.
_base_ = ['./k400.py']

train_steps = [_base_.decode_video, *_base_.random_crop, _base_.flip]
val_steps = [
    _base_.decode_video,
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224)
]
test_steps = [_base_.decode_video, *_base_.center_crop]

sample = dict(type='SampleFrames', clip_len=32, frame_interval=2)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=4)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_clip]
val_pipeline = [_base_.open_video, sample_val, *val_steps, *_base_.pack_clip]
test_pipeline = [
    _base_.open_video, sample_test, *test_steps, *_base_.pack_clip
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=8, dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(batch_size=1, dataset=dict(pipeline=test_pipeline))
