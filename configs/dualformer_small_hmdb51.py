# bash tools/dist_train.sh configs/dualformer_small_hmdb51.py 8
# DualFormer-S from Kinetics-400, HMDB51, 32 x 4 frames, 4 x 3 views. Files of
# split 1; the others by --cfg-options of the three ann_file.
# paper: 76.4 top-1 (the authors' table of models)
_base_ = ['dualformer_small_k400.py']

model = dict(
    backbone=dict(
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_small_k400/epoch_30.pth')),
    cls_head=dict(num_classes=51))

train = dict(
    ann_file='data/hmdb51/hmdb51_train_split_1_videos.txt',
    data_prefix=dict(video='data/hmdb51/videos'))
val = dict(
    ann_file='data/hmdb51/hmdb51_val_split_1_videos.txt',
    data_prefix=dict(video='data/hmdb51/videos'))
# 8 GPUs x 16 clips x 4 steps
train_dataloader = dict(batch_size=16, dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
_base_.train_dataloader.dataset.pipeline[1].frame_interval = 4
_base_.val_dataloader.dataset.pipeline[1].frame_interval = 4
_base_.test_dataloader.dataset.pipeline[1].frame_interval = 4
_base_.test_dataloader.dataset.pipeline[4].type = 'ThreeCrop'

optim_wrapper = dict(accumulative_counts=4, optimizer=dict(weight_decay=0.1))
max_epochs = 16
train_cfg = dict(max_epochs=max_epochs, val_interval=2)
_base_.param_scheduler[0].end = 1
_base_.param_scheduler[1].update(end=max_epochs, T_max=max_epochs)
auto_scale_lr = dict(enable=False, base_batch_size=512)
