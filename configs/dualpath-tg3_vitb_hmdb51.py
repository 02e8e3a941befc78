# bash tools/dist_train.sh configs/dualpath-tg3_vitb_hmdb51.py 8
# DualPath, CLIP ViT-B/16, HMDB51, 48 frames in 3 framesets, 2 x 3 views.
# paper: 76.3 top-1 (Table A4)
_base_ = ['./dualpath_vitb_hmdb51.py']

clip = dict(clip_len=48, frame_interval=1)
_base_.train_dataloader.dataset.pipeline[1].update(clip)
_base_.val_dataloader.dataset.pipeline[1].update(clip)
_base_.test_dataloader.dataset.pipeline[1].update(clip)
_base_.model.backbone.temporal.adapters[0].num_framesets = 3
