# bash tools/dist_train.sh configs/vpetl/bapat-64_videomae-vitb_ssv2.py 8
# ViT-BAPAT with PATT of width 64, VideoMAE ViT-B/16, SSv2, 16 frames.
# paper: 57.55 top-1 (V-PETL, Table 5)
_base_ = ['./bapat_videomae-vitb_ssv2.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=64))))
