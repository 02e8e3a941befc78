# bash tools/dist_train.sh configs/st_adapter/attentive-pooling_vitb_ssv2.py 8
# Attentional pooling of all tokens, CLIP ViT-B/16, SSv2, 8 frames, 1 x 3
# views.
# paper: 21.5 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(backbone=dict(out_type='raw')),
    cls_head=dict(type='AttentivePoolingHead', num_classes=174))
