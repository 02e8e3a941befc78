# bash tools/dist_train.sh configs/adaptformer/adaptformer-release_videomae-vitb_ssv2.py 8
# AdaptFormer as its authors released it for videos: it reads the stream before
# the norm, up projections are drawn with a deviation of 0.02, the norm after
# the mean of the tokens trains, BatchNorm before the classifier. VideoMAE
# ViT-B/16, SSv2, 16 frames, which the network halves; SGD at 0.1 per 256
# clips, 90 epochs with 10 of warm-up. It tests what their scripts save.
# paper: no figure in the texts at hand
_base_ = [
    '../_base_/models/videomae_vitb.py', '../_base_/datasets/ssv2_16x2.py',
    '../_base_/schedules/sgd_70e_256.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        trainable=['fc_norm.*'],
        adapters=dict(
            mlp=dict(
                type='ParallelAdapter',
                site='norm_mlp',
                width=64,
                scale=0.1,
                init='trunc_normal',
                act_cfg=dict(type='ReLU')))),
    cls_head=dict(type='ClipMeanHead', batch_norm=True))
train_dataloader = dict(batch_size=32)
train_cfg = dict(max_epochs=90)
