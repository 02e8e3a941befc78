# V-JEPA 2's attentive probe on CLIP ViT-B/16, 16 frames.
_base_ = ['./features_vitb.py']

model = dict(
    backbone=dict(final_norm=True),
    cls_head=dict(type='AttentiveProbe', num_frames=16))
