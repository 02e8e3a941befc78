# bash tools/dist_train.sh configs/dualpath-tg3_vitl_k400.py 8
# DualPath, CLIP ViT-L/14, Kinetics-400, 48 frames in 3 framesets, 3 x 1 views.
# paper: no figure
# The spatial path reads every 6th of them; the interval of 8 that Sec. 5.1
# names would take 57 frames.
_base_ = [
    '_base_/models/dualpath_vitl.py', '_base_/datasets/k400_48f.py',
    '_base_/schedules/dualpath_k400.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        temporal=dict(
            adapters=dict(
                positions=dict(num_framesets=3),
                attn_in=dict(enabled=False),
            ))),
    cls_head=dict(num_classes=400))
