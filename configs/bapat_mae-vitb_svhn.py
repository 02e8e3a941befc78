# bash tools/dist_train.sh configs/bapat_mae-vitb_svhn.py 8
# ViT-BAPAT, MAE ViT-B/16, SVHN.
# paper: 97.18 / 97.28 / 97.24 top-1 at widths 64 / 128 / 256 (Table 5)
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
model = dict(backbone=dict(adapters=adapters), head=dict(num_classes=10))

data_preprocessor = dict(num_classes=10)
# Digits are not mirrored.
train_pipeline = [
    t for t in _base_.train_pipeline if t['type'] != 'RandomFlip'
]
dataset = dict(type='mmaction.SVHN', data_root='data/svhn')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **dataset))
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader

base_batch_size = 256
optim_wrapper = dict(optimizer=dict(lr=0.1 * base_batch_size / 256))
auto_scale_lr = dict(base_batch_size=base_batch_size)
