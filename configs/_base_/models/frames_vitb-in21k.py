# As frames_vitb.py, with ViT-B/16 pretrained on ImageNet-21K.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='mmpretrain.VisionTransformer',
            arch='base',
            img_size=224,
            patch_size=16,
            out_type='cls_token',
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/vit_base_patch16_224.augreg_in21k.'
                'safetensors'))),
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]))
