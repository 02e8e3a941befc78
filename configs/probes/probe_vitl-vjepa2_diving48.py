# bash tools/dist_train.sh configs/probes/probe_vitl-vjepa2_diving48.py 8
# Attentive probe, V-JEPA 2 ViT-L/16, Diving-48, 16 frames, 2 x 3 views.
# paper: 89.0 top-1
_base_ = [
    '../_base_/models/probe_vitl-vjepa2.py',
    '../_base_/datasets/probe-256_diving48.py', '../_base_/schedules/probe.py',
    '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=48))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
