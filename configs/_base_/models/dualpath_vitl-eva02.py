# DualPath with EVA-02-CLIP-L/14. A frame of 56 pixels is exactly 4 x 4 of its
# patches; learned positions are zero for framesets, the rotary ones stay.
_base_ = ['./dualpath_vitb.py']

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
    cls_head=dict(in_channels=2 * 1024))
