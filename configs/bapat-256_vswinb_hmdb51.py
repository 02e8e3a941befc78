# bash tools/dist_train.sh configs/bapat-256_vswinb_hmdb51.py 4
# Swin-BAPAT with PATT of width 256, Video Swin-B, HMDB51, 8 frames.
# paper: see Table 2.
_base_ = ['bapat_vswinb_hmdb51.py']

_base_.model.backbone.adapters[0].width = 256
