# SVHN. Digits are not mirrored.
_base_ = ['./cifar100.py']

train_pipeline = [_base_.crop, _base_.pack]
data_preprocessor = dict(num_classes=10)

dataset = dict(type='mmaction.SVHN', data_root='data/svhn')
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, **dataset))
val_dataloader = dict(dataset=dataset)
test_dataloader = val_dataloader
