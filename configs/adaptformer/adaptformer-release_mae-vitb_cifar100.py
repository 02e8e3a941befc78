# bash tools/dist_train.sh configs/adaptformer/adaptformer-release_mae-vitb_cifar100.py 8
# AdaptFormer as its authors released it for images: it reads the stream before
# the norm, dropout 0.1, down projections as torch draws them, BatchNorm before
# the classifier. MAE ViT-B/16, CIFAR-100, SGD at 0.1 per 256 images, 100
# epochs with 10 of warm-up. It tests what their scripts save.
# paper: no figure in the texts at hand
_base_ = [
    '../_base_/models/mae_vitb.py', '../_base_/datasets/cifar100.py',
    '../_base_/schedules/sgd_70e_256.py', '../_base_/image_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='ParallelAdapter',
                site='norm_mlp',
                width=64,
                scale=0.1,
                dropout=0.1,
                init='kaiming_uniform',
                act_cfg=dict(type='ReLU')))))
train_cfg = dict(max_epochs=100)
