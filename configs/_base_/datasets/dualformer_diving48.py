# Diving-48, split v2, read as HMDB51.
_base_ = ['./dualformer_hmdb51.py']

train = dict(
    ann_file='data/diving48/diving48_train_list_videos.txt',
    data_prefix=dict(video='data/diving48/videos'))
val = dict(
    ann_file='data/diving48/diving48_val_list_videos.txt',
    data_prefix=dict(video='data/diving48/videos'))
train_dataloader = dict(dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
