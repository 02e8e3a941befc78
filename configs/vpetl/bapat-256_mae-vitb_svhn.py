# bash tools/dist_train.sh configs/vpetl/bapat-256_mae-vitb_svhn.py 8
# ViT-BAPAT with PATT of width 256, MAE ViT-B/16, SVHN.
# paper: 97.24 top-1 (V-PETL, Table 5)
_base_ = ['./bapat_mae-vitb_svhn.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=256))))
