# HMDB51, split 1: 16 frames at interval 4 (Sec. 5.1; Table A1 prints 8);
# RandAugment and random erasing (Table A1), the latter with the dump's
# probability of 0.5. Tests read 2 clips x 3 crops. Splits 2 and 3, and the
# mean over all: tools/train_hmdb51.sh.
_base_ = ['./video.py']

augment = [*_base_.rand_augment, dict(type='RandomErasing', p=0.5)]
train_steps = [
    _base_.decode_video, *_base_.random_crop, _base_.flip,
    dict(type='ClipAugment', transforms=augment)
]
val_steps = [_base_.decode_video, *_base_.center_crop]
test_steps = [_base_.decode_video, *_base_.three_crops]
test_clips = 2

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
        ann_file='data/hmdb51/hmdb51_train_split_1_videos.txt',
        data_prefix=dict(video='data/hmdb51/videos'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        ann_file='data/hmdb51/hmdb51_val_split_1_videos.txt',
        data_prefix=dict(video='data/hmdb51/videos'),
        pipeline=val_pipeline))
test_dataloader = dict(
    dataset=dict(
        ann_file='data/hmdb51/hmdb51_val_split_1_videos.txt',
        data_prefix=dict(video='data/hmdb51/videos'),
        pipeline=test_pipeline))
