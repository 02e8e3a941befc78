# bash tools/dist_train.sh configs/vpetl/bapat-256_vswinb_ssv2.py 4
# Swin-BAPAT with PATT of width 256, Video Swin-B, SSv2, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = ['./bapat_vswinb_ssv2.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=256))))
