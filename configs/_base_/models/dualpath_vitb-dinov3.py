# DualPath with DINOv3 ViT-B/16. Its only positions are rotary; the fixed code
# of framesets is added at the stem beside them.
_base_ = ['./dualpath_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='TimmBackbone',
            model_name='vit_base_patch16_dinov3.lvd1689m',
            img_size=224,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/vit_base_patch16_dinov3.lvd1689m/'
                'model.safetensors')),
        spatial=dict(trainable=['cls_token']),
        temporal=dict(zero=[])),
    cls_head=dict(in_channels=2 * 768),
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
