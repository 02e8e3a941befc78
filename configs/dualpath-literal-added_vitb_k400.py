# bash tools/dist_train.sh configs/dualpath-literal-added_vitb_k400.py 8
# DualPath by the letter of the paper, CLIP ViT-B/16, Kinetics-400, 16 frames,
# 3 x 1 views, with the fixed code added to the learned embedding, which is
# frozen in the temporal path.
# paper: 85.4 top-1 in Table A3, which Table 1 prints for 32 frames
_base_ = ['./dualpath-literal_vitb_k400.py']

model = dict(backbone=dict(temporal=dict(zero=[])))
