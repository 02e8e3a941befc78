# As frames_vitb.py, with DINOv2 ViT-B/14.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='TimmBackbone',
            model_name='vit_base_patch14_dinov2.lvd142m',
            img_size=224,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/vit_base_patch14_dinov2.lvd142m/'
                'model.safetensors'))),
    cls_head=dict(in_channels=768),
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
