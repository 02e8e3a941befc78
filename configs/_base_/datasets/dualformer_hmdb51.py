# HMDB51, split 1, as DualFormer reads it: 32 frames at interval 4; tests read
# 4 clips x 3 crops. The other splits by --cfg-options of the three ann_file,
# as tools/train_hmdb51.sh does.
_base_ = ['./dualformer_k400.py']

test_steps = [_base_.decode_video, *_base_.three_crops]

sample = dict(type='SampleFrames', clip_len=32, frame_interval=4)
sample_val = dict(sample, test_mode=True)
sample_test = dict(sample, test_mode=True, num_clips=4)
train_pipeline = [
    _base_.open_video, sample, *_base_.train_steps, *_base_.pack_clip
]
val_pipeline = [
    _base_.open_video, sample_val, *_base_.val_steps, *_base_.pack_clip
]
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
