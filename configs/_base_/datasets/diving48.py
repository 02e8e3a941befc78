# Diving-48, split v2: 16 frames at interval 4 (Sec. 5.1; Table A1 prints 8);
# RandAugment (Table A1). Tests read 1 clip x 1 crop.
_base_ = ['./video.py']

augment = _base_.rand_augment
train_steps = [
    _base_.decode_video, *_base_.random_crop, _base_.flip,
    dict(type='ClipAugment', transforms=augment)
]
val_steps = [_base_.decode_video, *_base_.center_crop]
test_steps = [_base_.decode_video, *_base_.center_crop]
test_clips = 1

sample = dict(type='SampleFrames', clip_len=16, frame_interval=4)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=test_clips)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_clip]
val_pipeline = [_base_.open_video, sample_val, *val_steps, *_base_.pack_clip]
test_pipeline = [
    _base_.open_video, sample_test, *test_steps, *_base_.pack_clip
]

train_dataloader = dict(
    dataset=dict(
        ann_file='data/diving48/diving48_train_list_videos.txt',
        data_prefix=dict(video='data/diving48/videos'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        ann_file='data/diving48/diving48_val_list_videos.txt',
        data_prefix=dict(video='data/diving48/videos'),
        pipeline=val_pipeline))
test_dataloader = dict(
    dataset=dict(
        ann_file='data/diving48/diving48_val_list_videos.txt',
        data_prefix=dict(video='data/diving48/videos'),
        pipeline=test_pipeline))
