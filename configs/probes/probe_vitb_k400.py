# bash tools/dist_train.sh configs/probes/probe_vitb_k400.py 8
# Attentive probe, CLIP ViT-B/16, Kinetics-400, 16 frames, 2 x 3 views.
# paper: no figure of this backbone is known here
_base_ = [
    '../_base_/models/probe_vitb.py', '../_base_/datasets/probe_k400.py',
    '../_base_/schedules/probe.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))
# 8 GPUs x 32 clips
train_dataloader = dict(batch_size=32)
