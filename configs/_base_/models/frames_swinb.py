# As frames_vitb.py, with Swin-B pretrained on ImageNet-21K; a frame is the
# mean of its last map.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='mmpretrain.SwinTransformer',
            arch='base',
            img_size=224,
            drop_path_rate=0.,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/swin_base_patch4_window7_224_22k.pth'))
    ),
    cls_head=dict(in_channels=1024),
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
