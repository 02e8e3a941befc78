# bash tools/dist_train.sh configs/st_adapter/st-adapter-release_vitb_k400.py 8
# ST-Adapter before the MLP ("12x384") as its authors released it, CLIP
# ViT-B/16, Kinetics-400, 8 frames at interval 16, 3 x 1 views, 12 epochs. It
# tests the files of the release.
# paper: 82.0 top-1 (ST-Adapter's poster)
_base_ = [
    '../_base_/models/st-adapter-release_vitb.py',
    '../_base_/datasets/k400_8x16_frames.py',
    '../_base_/schedules/st-adapter-release.py', '../_base_/default_runtime.py'
]

train_cfg = dict(max_epochs=12)
