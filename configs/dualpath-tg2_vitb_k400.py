# bash tools/dist_train.sh configs/dualpath-tg2_vitb_k400.py 8
# DualPath, CLIP ViT-B/16, Kinetics-400, 32 frames in 2 framesets, 3 x 1 views.
# paper: 85.4 top-1 (Table 1)
_base_ = ['./dualpath_vitb_k400.py']

clip = dict(clip_len=32, frame_interval=2)
_base_.train_dataloader.dataset.pipeline[1].update(clip)
_base_.val_dataloader.dataset.pipeline[1].update(clip)
_base_.test_dataloader.dataset.pipeline[1].update(clip)
_base_.model.backbone.temporal.adapters[0].num_framesets = 2
