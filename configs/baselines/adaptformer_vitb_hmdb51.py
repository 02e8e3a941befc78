# bash tools/dist_train.sh configs/baselines/adaptformer_vitb_hmdb51.py 8
# AdaptFormer (Eq. 4), CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3 views.
# paper: 63.7 top-1, mean of three splits (Table 3)
_base_ = [
    '../_base_/models/frames_vitb.py',
    '../_base_/datasets/hmdb51_8f_frames.py',
    '../_base_/schedules/dualpath_hmdb51.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            mlp=dict(
                type='ParallelAdapter',
                site='mlp',
                width=64,
                scale=0.1,
                act_cfg=dict(type='ReLU')))),
    cls_head=dict(num_classes=51))
