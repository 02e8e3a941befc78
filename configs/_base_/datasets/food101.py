# Food-101, whose images are files.
_base_ = ['./cifar100.py']

load = dict(type='LoadImageFromFile')
train_pipeline = [load, _base_.crop, _base_.flip, _base_.pack]
test_pipeline = [load, *_base_.center_crop, _base_.pack]
data_preprocessor = dict(num_classes=101, to_rgb=True)

dataset = dict(type='Food101', data_root='data/food-101')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **dataset))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline, **dataset))
test_dataloader = val_dataloader
