# bash tools/dist_train.sh configs/st-adapter_vitb_ssv2.py 8
# ST-Adapter before attention and MLP ("24x384"), CLIP ViT-B/16, Something-
# Something-V2, 32 frames, 1 x 3 views.
# paper: 69.5 top-1 (Table 2, with 11 M trainable parameters; 24x384 has 14.4
# M)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=384, num_frames=32),
        dict(type='STAdapter', site='block', width=384, num_frames=32)
    ]),
    cls_head=dict(type='FrameMeanHead', num_frames=32))

for loader in (_base_.train_dataloader, _base_.val_dataloader,
               _base_.test_dataloader):
    loader.dataset.pipeline[1].clip_len = 32
del loader
