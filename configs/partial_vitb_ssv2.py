# bash tools/dist_train.sh configs/partial_vitb_ssv2.py 8
# Partial fine-tuning of the last block (SA), CLIP ViT-B/16, Something-
# Something-V2, 8 frames, 1 x 3 views.
# paper: 37.6 top-1 (poster)
_base_ = ['_base_/baselines/vitb_ssv2.py']

model = dict(
    backbone=dict(trainable=[r'layers\.11\..*']),
    cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
