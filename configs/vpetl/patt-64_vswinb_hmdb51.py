# bash tools/dist_train.sh configs/vpetl/patt-64_vswinb_hmdb51.py 4
# PATT alone, of width 64, Video Swin-B, HMDB51, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = ['./patt_vswinb_hmdb51.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=64))))
