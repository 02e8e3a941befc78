# bash tools/dist_train.sh configs/dualpath-frameset448_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, framesets of 448 x 448 pixels, 1 x 3 views.
# paper: 70.5 top-1 (Table A4)
_base_ = ['./dualpath_vitb_ssv2.py']

model = dict(data_preprocessor=dict(frameset_size=448))
