# bash tools/dist_train.sh configs/vpetl/bapat_videomae-vitb_hmdb51.py 8
# ViT-BAPAT, VideoMAE ViT-B/16, HMDB51, 16 frames.
# paper: 57.70 top-1 (V-PETL, Table 5)
# The paper leaves the frames open: 16, as VideoMAE is pretrained, of stride 2.
_base_ = [
    '../_base_/models/videomae_vitb.py', '../_base_/datasets/hmdb51_16x2.py',
    '../_base_/schedules/sgd_70e_256.py', '../_base_/default_runtime.py'
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
    cls_head=dict(num_classes=51))

train_dataloader = dict(batch_size=32)
