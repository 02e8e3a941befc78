# bash tools/dist_train.sh configs/dualformer_small_ucf101.py 8
# DualFormer-S from Kinetics-400, UCF101, 32 x 4 frames, 4 x 3 views. Files of
# split 1; the others by --cfg-options of the three ann_file.
# paper: 97.5 top-1 (the authors' table of models)
_base_ = ['dualformer_small_hmdb51.py']

model = dict(cls_head=dict(num_classes=101))

train = dict(
    ann_file='data/ucf101/ucf101_train_split_1_videos.txt',
    data_prefix=dict(video='data/ucf101/videos'))
val = dict(
    ann_file='data/ucf101/ucf101_val_split_1_videos.txt',
    data_prefix=dict(video='data/ucf101/videos'))
train_dataloader = dict(dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
