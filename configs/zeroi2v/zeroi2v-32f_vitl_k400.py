# bash tools/dist_train.sh configs/zeroi2v/zeroi2v-32f_vitl_k400.py 8
# ZeroI2V, CLIP ViT-L/14, Kinetics-400, 32 frames, 3 x 1 views.
# paper: 87.2 top-1
_base_ = [
    '../_base_/models/zeroi2v_vitl.py',
    '../_base_/datasets/zeroi2v_k400_32f.py', '../_base_/schedules/aim.py',
    '../_base_/default_runtime.py'
]

num_frames = 32
model = dict(
    backbone=dict(
        adapters=dict(
            time=dict(num_frames=num_frames),
            shift=dict(num_frames=num_frames))),
    cls_head=dict(num_classes=400, num_frames=num_frames))
train_cfg = dict(max_epochs=40)
