# bash tools/dist_train.sh configs/dualpath-tg2_vitl_ssv2.py 8
# DualPath, CLIP ViT-L/14, SSv2, 32 frames in 2 framesets, 1 x 3 views.
# paper: 71.4 top-1 (Table 2)
_base_ = ['./dualpath_vitl_ssv2.py']

clip = dict(clip_len=32)
_base_.train_dataloader.dataset.pipeline[1].update(clip)
_base_.val_dataloader.dataset.pipeline[1].update(clip)
_base_.test_dataloader.dataset.pipeline[1].update(clip)
_base_.model.backbone.temporal.adapters[0].num_framesets = 2
