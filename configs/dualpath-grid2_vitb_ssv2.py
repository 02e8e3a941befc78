# bash tools/dist_train.sh configs/dualpath-grid2_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 64 frames in 16 framesets of 2 x 2 frames.
# paper: 66.4 top-1 (Table 5)
_base_ = ['./dualpath_vitb_ssv2.py']

clip = dict(clip_len=64)
_base_.train_dataloader.dataset.pipeline[1].update(clip)
_base_.val_dataloader.dataset.pipeline[1].update(clip)
_base_.test_dataloader.dataset.pipeline[1].update(clip)
_base_.model.backbone.temporal.adapters[0].update(
    num_framesets=16, grid=(2, 2))
model = dict(data_preprocessor=dict(grid=(2, 2)))
