# bash tools/dist_train.sh configs/partial_vitb_k400.py 8
# Partial fine-tuning of the last block (SA), CLIP ViT-B/16, Kinetics-400, 8
# frames, 3 x 1 views.
# paper: 80.1 top-1 (poster, where one figure stands for SA and SA + TA)
_base_ = ['_base_/baselines/vitb_k400.py']

model = dict(
    backbone=dict(trainable=[r'layers\.11\..*']),
    cls_head=dict(type='FrameMeanHead'))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
