# bash tools/dist_train.sh configs/dualpath-tg2_vitl_k400.py 8
# DualPath, CLIP ViT-L/14, Kinetics-400, 32 frames in 2 framesets, 3 x 1 views.
# paper: 87.7 top-1 (Table 1)
_base_ = [
    '_base_/models/dualpath_vitl.py', '_base_/datasets/k400_32f.py',
    '_base_/schedules/dualpath_k400.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        temporal=dict(
            adapters=dict(
                positions=dict(num_framesets=2),
                attn_in=dict(enabled=False),
            ))),
    cls_head=dict(num_classes=400))
