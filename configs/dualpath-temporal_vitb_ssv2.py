# bash tools/dist_train.sh configs/dualpath-temporal_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, temporal path alone.
# paper: 55.1 top-1 (Table 5)
_base_ = ['./dualpath_vitb_ssv2.py']

model = dict(
    backbone=dict(spatial=None),
    cls_head=dict(in_channels=512, hidden_channels=512),
    data_preprocessor=dict(num_spatial_frames=None))
