# DualPath with SigLIP 2 ViT-B/16. It has no class token: an image is what its
# attention pooling puts out.
_base_ = ['./dualpath_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='TimmBackbone',
            model_name='vit_base_patch16_siglip_224.v2_webli',
            img_size=224,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/vit_base_patch16_siglip_224.v2_webli/'
                'model.safetensors')),
        spatial=dict(trainable=['pos_embed']),
        temporal=dict(trainable=[])),
    cls_head=dict(in_channels=2 * 768),
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]))
