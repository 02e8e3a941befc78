# mim train mmpretrain configs/miniature/pretrain_vit-micro_digits.py
# Pretrains the ViT of the miniature study on still images of digits.
# paper: no figure, a miniature
_base_ = [
    '../_base_/models/vit-micro.py', '../_base_/schedules/still_digits.py'
]

model = dict(
    type='ImageClassifier',
    backbone=_base_.backbone,
    head=dict(type='VisionTransformerClsHead', num_classes=10, in_channels=48))
