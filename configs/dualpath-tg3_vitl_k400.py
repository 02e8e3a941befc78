# bash tools/dist_train.sh configs/dualpath-tg3_vitl_k400.py 8
# DualPath, CLIP ViT-L/14, Kinetics-400, 48 frames in 3 framesets, 3 x 1 views.
# paper: no figure
_base_ = ['./dualpath_vitl_k400.py']

clip = dict(clip_len=48, frame_interval=1)
_base_.train_dataloader.dataset.pipeline[1].update(clip)
_base_.val_dataloader.dataset.pipeline[1].update(clip)
_base_.test_dataloader.dataset.pipeline[1].update(clip)
_base_.model.backbone.temporal.adapters[0].num_framesets = 3
