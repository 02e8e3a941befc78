# bash tools/dist_train.sh configs/dualpath-spatial_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, spatial path alone, T_S = 16.
# paper: 53.7 top-1 (Table 5)
_base_ = ['./dualpath_vitb_ssv2.py']

model = dict(
    backbone=dict(temporal=None),
    cls_head=dict(in_channels=512, hidden_channels=512),
    data_preprocessor=dict(num_spatial_frames=16, grid=None))
