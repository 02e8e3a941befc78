# bash tools/dist_train.sh configs/bapat_mae-vitb_food101.py 8
# ViT-BAPAT, MAE ViT-B/16, Food-101.
# paper: 87.53 / 87.66 / 87.68 top-1 at widths 64 / 128 / 256 (Table 5)
_base_ = [
    '_base_/models/mae_vitb.py', '_base_/datasets/cifar100_224.py',
    '_base_/schedules/sgd_70e.py', '_base_/image_runtime.py'
]

adapters = [
    dict(type='PATT', site='msa', on='kv', width=128, scale=0.8),
    dict(
        type='ParallelAdapter',
        site='mlp',
        width=64,
        act_cfg=dict(type='ReLU'),
        scale=0.1)
]
model = dict(backbone=dict(adapters=adapters), head=dict(num_classes=101))

data_preprocessor = dict(num_classes=101, to_rgb=True)
load = dict(type='LoadImageFromFile')
dataset = dict(type='Food101', data_root='data/food-101')
train_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.train_pipeline], **dataset))
val_dataloader = dict(
    dataset=dict(pipeline=[load, *_base_.test_pipeline], **dataset))
test_dataloader = val_dataloader

base_batch_size = 256
optim_wrapper = dict(optimizer=dict(lr=0.1 * base_batch_size / 256))
auto_scale_lr = dict(base_batch_size=base_batch_size)
