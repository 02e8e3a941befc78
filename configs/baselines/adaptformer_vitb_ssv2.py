# bash tools/dist_train.sh configs/baselines/adaptformer_vitb_ssv2.py 8
# AdaptFormer (Eq. 4), CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views.
# paper: 51.3 top-1 (Table 2)
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/ssv2_8f_frames.py',
    '../_base_/schedules/dualpath_ssv2.py', '../_base_/default_runtime.py'
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
    cls_head=dict(num_classes=174))
