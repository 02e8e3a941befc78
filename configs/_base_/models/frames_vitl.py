# As frames_vitb.py, with CLIP ViT-L/14.
_base_ = ['./frames_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            arch='large',
            patch_size=14,
            init_cfg=dict(checkpoint='checkpoints/ViT-L-14.pt'))),
    cls_head=dict(in_channels=1024))
