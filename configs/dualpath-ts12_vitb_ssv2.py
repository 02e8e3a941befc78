# bash tools/dist_train.sh configs/dualpath-ts12_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, T_S = 12.
# paper: 69.6 top-1 (Table 5)
_base_ = ['./dualpath_vitb_ssv2.py']

# 12 does not divide 16: three of every four frames.
model = dict(
    data_preprocessor=dict(
        num_spatial_frames=[0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14]))
