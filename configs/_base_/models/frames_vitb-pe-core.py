# As frames_vitb.py, with PE-Core-B/16.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='TimmBackbone',
            model_name='vit_pe_core_base_patch16_224.fb',
            img_size=224,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/vit_pe_core_base_patch16_224.fb/'
                'model.safetensors'))),
    cls_head=dict(in_channels=768),
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]))
