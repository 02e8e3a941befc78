# bash tools/dist_train.sh configs/st_adapter/st-adapter-release_vitb_ssv2.py 8
# ST-Adapter before attention and MLP ("24x384") as its authors released it,
# CLIP ViT-B/16, SSv2, 8 frames, 1 x 3 views, 50 epochs. It tests the files of
# the release.
# paper: 67.1 top-1 (ST-Adapter's poster)
_base_ = [
    '../_base_/models/st-adapter-release_vitb.py',
    '../_base_/datasets/ssv2_8f_mild_frames.py',
    '../_base_/schedules/st-adapter-release.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            attn=dict(type='STAdapter', site='block', width=384,
                      num_frames=8))),
    cls_head=dict(num_classes=174))
train_dataloader = dict(batch_size=8)
train_cfg = dict(max_epochs=50)
