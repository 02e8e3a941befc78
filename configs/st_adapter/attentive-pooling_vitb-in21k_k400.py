# bash tools/dist_train.sh \
#     configs/st_adapter/attentive-pooling_vitb-in21k_k400.py 8
# Attentional pooling of all tokens, ViT-B/16 (ImageNet-21K), Kinetics-400, 8
# frames, 3 x 1 views.
# paper: 59.1 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(backbone=dict(out_type='raw')),
    cls_head=dict(type='AttentivePoolingHead', num_classes=400))
