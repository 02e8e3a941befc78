# mim train mmpretrain configs/miniature/pretrain_swin-micro_digits.py
# Pretrains the Swin of the miniature study on two sources of images: digits,
# and pieces of scikit-learn's two photographs, a class each.
# paper: no figure, a miniature
_base_ = [
    '../_base_/models/swin-micro.py', '../_base_/schedules/still_digits.py'
]

data_root = 'data/miniature/images-and-photos'
model = dict(
    type='ImageClassifier',
    backbone=_base_.backbone,
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=12, in_channels=96))
train_dataloader = dict(dataset=dict(data_prefix=f'{data_root}/train'))
val_dataloader = dict(dataset=dict(data_prefix=f'{data_root}/test'))
test_dataloader = dict(dataset=dict(data_prefix=f'{data_root}/test'))
