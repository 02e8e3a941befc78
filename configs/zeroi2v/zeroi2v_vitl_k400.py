# bash tools/dist_train.sh configs/zeroi2v/zeroi2v_vitl_k400.py 8
# ZeroI2V, CLIP ViT-L/14, Kinetics-400, 8 frames, 3 x 1 views.
# paper: no figure of 8 frames is known here
_base_ = [
    '../_base_/models/zeroi2v_vitl.py', '../_base_/datasets/zeroi2v_k400.py',
    '../_base_/schedules/aim.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))
train_cfg = dict(max_epochs=40)
