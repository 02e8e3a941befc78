# bash tools/dist_train.sh configs/zeroi2v/zeroi2v_vitb_ssv2.py 8
# ZeroI2V, CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views.
# paper: 67.7 top-1
_base_ = [
    '../_base_/models/zeroi2v_vitb.py', '../_base_/datasets/zeroi2v_ssv2.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

linear = dict(scale=1., dropout=0.)
model = dict(
    backbone=dict(
        adapters=dict(
            attn_in=linear,
            shift=dict(offsets=[-1, 1, -2]),
            attn_out=linear,
            mlp_in=linear,
            mlp_out=linear)),
    cls_head=dict(num_classes=174, label_smooth_eps=0.1))
# 8 GPUs x 8 clips
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_epochs=50)
