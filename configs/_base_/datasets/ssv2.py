# Something-Something-V2: 16 frames spread over the whole video; RandAugment
# and random erasing (Table A1), the latter with the dump's probability of
# 0.1; no flips, since the labels name left and right. Tests read 1 clip x 3
# crops.
_base_ = ['./video.py']

augment = [*_base_.rand_augment, dict(type='RandomErasing', p=0.1)]
train_steps = [
    _base_.decode_video, *_base_.random_crop,
    dict(type='ClipAugment', transforms=augment)
]
val_steps = [_base_.decode_video, *_base_.center_crop]
test_steps = [_base_.decode_video, *_base_.three_crops]

sample = dict(type='UniformSample', clip_len=16)
sample_test = dict(sample, test_mode=True)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_clip]
val_pipeline = [_base_.open_video, sample_test, *val_steps, *_base_.pack_clip]
test_pipeline = [
    _base_.open_video, sample_test, *test_steps, *_base_.pack_clip
]

train_dataloader = dict(
    dataset=dict(
        ann_file='data/sthv2/sthv2_train_list_videos.txt',
        data_prefix=dict(video='data/sthv2/videos'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        ann_file='data/sthv2/sthv2_val_list_videos.txt',
        data_prefix=dict(video='data/sthv2/videos'),
        pipeline=val_pipeline))
test_dataloader = dict(
    dataset=dict(
        ann_file='data/sthv2/sthv2_val_list_videos.txt',
        data_prefix=dict(video='data/sthv2/videos'),
        pipeline=test_pipeline))
