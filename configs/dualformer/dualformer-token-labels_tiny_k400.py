# bash tools/dist_train.sh \
#     configs/dualformer/dualformer-token-labels_tiny_k400.py 8
# DualFormer-T taught by a frozen DualFormer-B at every location, Kinetics-400,
# 32 x 2 frames, 4 x 1 views.
# paper: 79.5 top-1, 94.1 top-5 (supplement, Table 2)
_base_ = ['./dualformer_tiny_k400.py']

model = dict(
    type='TokenLabelRecognizer3D',
    # Half of the loss is the clip's, half that of its locations.
    cls_head=dict(loss_cls=dict(type='CrossEntropyLoss', loss_weight=0.5)),
    token_head=dict(topk=5, loss_weight=0.5),
    teacher=dict(
        type='Recognizer3D',
        backbone=dict(type='DualFormer', arch='base'),
        cls_head=dict(type='I3DHead', num_classes=400, in_channels=1024),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/dualformer_base_k400/epoch_30.pth')))
# 8 GPUs x 16 clips x 2 steps
optim_wrapper = dict(accumulative_counts=2)
auto_scale_lr = dict(base_batch_size=256)
