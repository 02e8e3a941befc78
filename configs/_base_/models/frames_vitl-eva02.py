# As frames_vitb.py, with EVA-02-CLIP-L/14.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            _delete_=True,
            type='TimmBackbone',
            model_name='eva02_large_patch14_clip_224.merged2b',
            img_size=224,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/eva02_large_patch14_clip_224.merged2b/'
                'model.safetensors'))),
    cls_head=dict(in_channels=1024))
