# bash tools/dist_train.sh configs/probes/probe_vitb-dinov2_diving48.py 8
# Attentive probe, DINOv2 ViT-B/14, Diving-48, 16 frames, 2 x 3 views.
# paper: no figure of this backbone is known here
_base_ = [
    '../_base_/models/probe_vitb-dinov2.py',
    '../_base_/datasets/probe_diving48.py', '../_base_/schedules/probe.py',
    '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=48))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
