# bash tools/dist_train.sh configs/dualformer_base_k600.py 8
# DualFormer-B with ImageNet-21K weights, Kinetics-600, 32 x 2 frames, 4 x 1
# views. paper: 85.2 top-1 (the authors' table of models)
_base_ = ['dualformer_base_k400.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint='work_dirs/dualformer_base_imagenet21k/epoch_100.pth')),
    cls_head=dict(num_classes=600))
# Half the rates of Kinetics-400: 5e-4, the backbone at a tenth of it.
optim_wrapper = dict(optimizer=dict(lr=5e-5))

train = dict(
    ann_file='data/kinetics600/kinetics600_train_list_videos.txt',
    data_prefix=dict(video='data/kinetics600/videos_train'))
val = dict(
    ann_file='data/kinetics600/kinetics600_val_list_videos.txt',
    data_prefix=dict(video='data/kinetics600/videos_val'))
train_dataloader = dict(dataset=train)
val_dataloader = dict(dataset=val)
test_dataloader = dict(dataset=val)
