# As probe_vitb.py, with DINOv2 ViT-B/14.
_base_ = ['./features_vitb-dinov2.py']

model = dict(
    backbone=dict(final_norm=True),
    cls_head=dict(type='AttentiveProbe', num_frames=16))
