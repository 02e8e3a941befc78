# bash tools/dist_train.sh configs/vpetl/bapat-256_videomae-vitb_ssv2.py 8
# ViT-BAPAT with PATT of width 256, VideoMAE ViT-B/16, SSv2, 16 frames.
# paper: 56.53 top-1 (V-PETL, Table 5)
_base_ = ['./bapat_videomae-vitb_ssv2.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=256))))
