# Kinetics-400: 16 frames at interval 4 (Sec. 5.1; k400_16x8.py has Table A1's
# 8); RandAugment (Table A1). Tests read 3 clips x 1 crop.
_base_ = ['./video.py']

augment = _base_.rand_augment
train_steps = [
    _base_.decode_video, *_base_.random_crop, _base_.flip,
    dict(type='ClipAugment', transforms=augment)
]
val_steps = [_base_.decode_video, *_base_.center_crop]
test_steps = [_base_.decode_video, *_base_.center_crop]
test_clips = 3

sample = dict(type='SampleFrames', clip_len=16, frame_interval=4)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=test_clips)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_clip]
val_pipeline = [_base_.open_video, sample_val, *val_steps, *_base_.pack_clip]
test_pipeline = [
    _base_.open_video, sample_test, *test_steps, *_base_.pack_clip
]

train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        ann_file='data/kinetics400/kinetics400_train_list_videos.txt',
        data_prefix=dict(video='data/kinetics400/videos_train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics400/kinetics400_val_list_videos.txt',
        data_prefix=dict(video='data/kinetics400/videos_val'),
        pipeline=val_pipeline))
test_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics400/kinetics400_val_list_videos.txt',
        data_prefix=dict(video='data/kinetics400/videos_val'),
        pipeline=test_pipeline))
