# bash tools/dist_train.sh configs/vpetl/bapat-64_mae-vitb_svhn.py 8
# ViT-BAPAT with PATT of width 64, MAE ViT-B/16, SVHN.
# paper: 97.18 top-1 (V-PETL, Table 5)
_base_ = ['./bapat_mae-vitb_svhn.py']

model = dict(backbone=dict(adapters=dict(patt=dict(width=64))))
