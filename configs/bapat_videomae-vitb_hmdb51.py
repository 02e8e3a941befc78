# bash tools/dist_train.sh configs/bapat_videomae-vitb_hmdb51.py 8
# ViT-BAPAT, VideoMAE ViT-B/16, HMDB51, 16 frames.
# paper: 57.18 / 57.70 / 57.31 top-1 at widths 64 / 128 / 256 (Table 5)
# The paper leaves the frames open: 16, as VideoMAE is pretrained, of stride 2.
_base_ = [
    '_base_/models/videomae_vitb.py', '_base_/datasets/hmdb51_8x2.py',
    '_base_/schedules/sgd_70e.py', '_base_/default_runtime.py'
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
model = dict(backbone=dict(adapters=adapters), cls_head=dict(num_classes=51))

_base_.train_dataloader.dataset.pipeline[1].clip_len = 16
_base_.val_dataloader.dataset.pipeline[1].clip_len = 16
_base_.test_dataloader.dataset.pipeline[1].clip_len = 16
train_dataloader = dict(batch_size=32)
base_batch_size = 256
optim_wrapper = dict(optimizer=dict(lr=0.1 * base_batch_size / 256))
auto_scale_lr = dict(base_batch_size=base_batch_size)
