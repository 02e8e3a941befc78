# bash tools/dist_train.sh configs/st-adapter_vitb_k400.py 8
# ST-Adapter before the MLP ("12x384"), CLIP ViT-B/16, Kinetics-400, 32
# frames, 3 x 1 views.
# paper: 82.7 top-1 (Table 1)
_base_ = ['_base_/baselines/vitb_k400.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=384, num_frames=32)
    ]),
    cls_head=dict(type='FrameMeanHead', num_frames=32))

for loader in (_base_.train_dataloader, _base_.val_dataloader,
               _base_.test_dataloader):
    loader.dataset.pipeline[1].clip_len = 32
    loader.dataset.pipeline[1].frame_interval = 2
del loader
