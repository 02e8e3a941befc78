# bash tools/dist_train.sh configs/vpetl/patt-32_vswinb_ssv2.py 4
# PATT alone, of width 32, Video Swin-B, SSv2, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = ['./patt_vswinb_ssv2.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=32))))
