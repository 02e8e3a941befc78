# bash tools/dist_train.sh configs/st_adapter/attentive-pooling_vitb_k400.py 8
# Attentional pooling of all tokens, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x
# 1 views.
# paper: 75.3 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(backbone=dict(out_type='raw')),
    cls_head=dict(type='AttentivePoolingHead', num_classes=400))
