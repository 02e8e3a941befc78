# bash tools/dist_train.sh configs/side4video/side4video_vitb_k400.py 8
# Side4Video, CLIP ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: 83.6 top-1
_base_ = [
    '../_base_/models/side4video_vitb.py',
    '../_base_/datasets/side4video_k400.py',
    '../_base_/schedules/side4video.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
