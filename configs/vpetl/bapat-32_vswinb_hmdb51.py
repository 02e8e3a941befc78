# bash tools/dist_train.sh configs/vpetl/bapat-32_vswinb_hmdb51.py 4
# Swin-BAPAT with PATT of width 32, Video Swin-B, HMDB51, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = ['./bapat_vswinb_hmdb51.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=32))))
