# bash tools/dist_train.sh configs/st_adapter/full_vitl_k400.py 8
# Full fine-tuning, frames alone (SA), CLIP ViT-L/14, Kinetics-400, 8 frames, 3
# x 1 views.
# paper: 85.8 top-1 (poster)
_base_ = [
    '../_base_/models/frames_vitl.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(trainable=['.*']),
    cls_head=dict(type='FrameMeanHead', num_classes=400))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
