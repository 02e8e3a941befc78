# bash tools/dist_train.sh configs/dualpath-ts16_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, T_S = 16.
# paper: 69.8 top-1 (Table 5)
_base_ = ['./dualpath_vitb_ssv2.py']

model = dict(data_preprocessor=dict(num_spatial_frames=16))
