# bash tools/dist_train.sh configs/side4video/side4video_vitb_ssv2.py 8
# Side4Video, CLIP ViT-B/16, SSv2, 8 frames, 2 x 3 views.
# paper: 70.6 top-1
_base_ = [
    '../_base_/models/side4video_vitb.py',
    '../_base_/datasets/side4video_ssv2.py',
    '../_base_/schedules/side4video.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))
# 8 GPUs x 16 clips
train_dataloader = dict(batch_size=16)
