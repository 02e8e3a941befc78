# bash tools/dist_train.sh configs/dualpath-tg3_vitb_hmdb51.py 8
# DualPath, CLIP ViT-B/16, HMDB51, 48 frames in 3 framesets, 2 x 3 views.
# paper: 76.3 top-1 (Table A4)
# The spatial path reads every 6th of them; the interval of 8 that Sec. 5.1
# names would take 57 frames.
_base_ = [
    '_base_/models/dualpath_vitb.py', '_base_/datasets/hmdb51_48f.py',
    '_base_/schedules/dualpath_hmdb51.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        temporal=dict(
            adapters=dict(
                positions=dict(num_framesets=3),
                attn_in=dict(enabled=False),
            ))),
    cls_head=dict(num_classes=51))
