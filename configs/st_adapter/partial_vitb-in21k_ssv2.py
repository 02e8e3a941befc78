# bash tools/dist_train.sh configs/st_adapter/partial_vitb-in21k_ssv2.py 8
# Partial fine-tuning of the last block (SA), ViT-B/16 (ImageNet-21K), SSv2, 8
# frames, 1 x 3 views.
# paper: 20.4 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitb-in21k.py',
    '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(trainable=[r'layers\.11\..*']),
    cls_head=dict(type='FrameMeanHead', num_classes=174))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
