# bash tools/dist_train.sh configs/vpetl/bapat_mae-vitb_svhn.py 8
# ViT-BAPAT, MAE ViT-B/16, SVHN.
# paper: 97.28 top-1 (V-PETL, Table 5)
_base_ = [
    '../_base_/models/mae_vitb.py', '../_base_/datasets/svhn.py',
    '../_base_/schedules/sgd_70e_256.py', '../_base_/image_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            patt=dict(type='PATT', site='msa', on='kv', width=128, scale=0.8),
            mlp=dict(
                type='ParallelAdapter',
                site='mlp',
                width=64,
                act_cfg=dict(type='ReLU'),
                scale=0.1))),
    head=dict(num_classes=10))
