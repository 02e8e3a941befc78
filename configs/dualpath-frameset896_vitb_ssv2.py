# bash tools/dist_train.sh configs/dualpath-frameset896_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, framesets of 896 x 896 pixels, 1 x 3 views.
# paper: 71.6 top-1 (Table A4)
_base_ = ['./dualpath_vitb_ssv2.py']

model = dict(data_preprocessor=dict(frameset_size=896))
