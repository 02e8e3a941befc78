# Side4Video beside CLIP ViT-B/16, 8 frames.
_base_ = ['./features_vitb.py']

model = dict(
    backbone=dict(blocks=list(range(12)), images=True),
    cls_head=dict(
        type='SideNetwork',
        dims=320,
        num_blocks=12,
        patch_size=16,
        grid=14,
        label_smooth_eps=0.1))
