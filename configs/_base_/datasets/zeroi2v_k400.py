# Kinetics-400 as ZeroI2V reads it: 8 frames at interval 16, RandAugment of
# four operations at magnitude 7 of 10, which is 21 of torchvision's 30.
_base_ = ['./k400.py']

augment = [dict(type='RandAugment', num_ops=4, magnitude=21)]
train_steps = [
    _base_.decode_video, *_base_.random_crop, _base_.flip,
    dict(type='ClipAugment', transforms=augment)
]
sample = dict(type='SampleFrames', clip_len=8, frame_interval=16)
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
