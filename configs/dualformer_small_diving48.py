# bash tools/dist_train.sh configs/dualformer_small_diving48.py 8
# DualFormer-S from Kinetics-400, Diving-48, 32 x 4 frames, 4 x 3 views.
# paper: 81.8 top-1 (the authors' table of models)
_base_ = ['dualformer_small_k400.py']

model = dict(
    backbone=dict(
        drop_path_rate=0.2,
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_small_k400/epoch_30.pth')),
    cls_head=dict(num_classes=48))

train = dict(
    ann_file='data/diving48/diving48_train_list_videos.txt',
    data_prefix=dict(video='data/diving48/videos'))
val = dict(
    ann_file='data/diving48/diving48_val_list_videos.txt',
    data_prefix=dict(video='data/diving48/videos'))
# 8 GPUs x 8 clips
train_dataloader = dict(dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
_base_.train_dataloader.dataset.pipeline[1].frame_interval = 4
_base_.val_dataloader.dataset.pipeline[1].frame_interval = 4
_base_.test_dataloader.dataset.pipeline[1].frame_interval = 4
_base_.test_dataloader.dataset.pipeline[4].type = 'ThreeCrop'

optim_wrapper = dict(accumulative_counts=1)
train_cfg = dict(val_interval=2)
_base_.param_scheduler[0].end = 1
auto_scale_lr = dict(enable=False, base_batch_size=64)
