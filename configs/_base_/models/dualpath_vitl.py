# DualPath with CLIP ViT-L/14: 56 pixels of a frame are exactly 4 patches.
_base_ = ['./dualpath_vitb.py']

model = dict(
    backbone=dict(
        backbone=dict(
            arch='large',
            patch_size=14,
            out_dims=768,
            init_cfg=dict(checkpoint='checkpoints/ViT-L-14.pt'))),
    cls_head=dict(in_channels=2 * 768))
