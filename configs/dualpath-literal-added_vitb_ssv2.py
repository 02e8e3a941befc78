# bash tools/dist_train.sh configs/dualpath-literal-added_vitb_ssv2.py 8
# DualPath by the letter of the paper, CLIP ViT-B/16, SSv2, 16 frames, 1 x 3
# views, with the fixed code added to the learned embedding, which is frozen in
# the temporal path.
# paper: 69.6 top-1 (Table 2), 69.3 (Tables 5, A2 and A4)
_base_ = ['./dualpath-literal_vitb_ssv2.py']

model = dict(backbone=dict(temporal=dict(zero=[])))
