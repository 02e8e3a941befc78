# bash tools/dist_train.sh configs/bapat_vswinb_hmdb51-16f.py 4
# Swin-BAPAT, Video Swin-B, HMDB51, 16 frames.
# paper: 75.67 top-1 (Sec. 3.4)
_base_ = ['bapat_vswinb_hmdb51.py']

_base_.train_dataloader.dataset.pipeline[1].clip_len = 16
_base_.val_dataloader.dataset.pipeline[1].clip_len = 16
_base_.test_dataloader.dataset.pipeline[1].clip_len = 16
