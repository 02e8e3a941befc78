# UCF101, split 1, read as HMDB51; the other splits by --cfg-options of the
# three ann_file.
_base_ = ['./dualformer_hmdb51.py']

train = dict(
    ann_file='data/ucf101/ucf101_train_split_1_videos.txt',
    data_prefix=dict(video='data/ucf101/videos'))
val = dict(
    ann_file='data/ucf101/ucf101_val_split_1_videos.txt',
    data_prefix=dict(video='data/ucf101/videos'))
train_dataloader = dict(dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
