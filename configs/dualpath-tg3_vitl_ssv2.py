# bash tools/dist_train.sh configs/dualpath-tg3_vitl_ssv2.py 8
# DualPath, CLIP ViT-L/14, SSv2, 48 frames in 3 framesets, 1 x 3 views.
# paper: 72.2 top-1 (Table 2)
_base_ = ['./dualpath_vitl_ssv2.py']

clip = dict(clip_len=48)
_base_.train_dataloader.dataset.pipeline[1].update(clip)
_base_.val_dataloader.dataset.pipeline[1].update(clip)
_base_.test_dataloader.dataset.pipeline[1].update(clip)
_base_.model.backbone.temporal.adapters[0].num_framesets = 3
