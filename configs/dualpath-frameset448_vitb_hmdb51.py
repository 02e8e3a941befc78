# bash tools/dist_train.sh configs/dualpath-frameset448_vitb_hmdb51.py 8
# DualPath, CLIP ViT-B/16, HMDB51, framesets of 448 x 448 pixels, 2 x 3 views.
# paper: 75.8 top-1 (Table A4)
_base_ = ['./dualpath_vitb_hmdb51.py']

model = dict(data_preprocessor=dict(frameset_size=448))
