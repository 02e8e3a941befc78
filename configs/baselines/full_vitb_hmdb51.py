# bash tools/dist_train.sh configs/baselines/full_vitb_hmdb51.py 8
# Full fine-tuning, frames alone (SA), CLIP ViT-B/16, HMDB51, 8 frames, 2 x 3
# views.
# paper: 59.4 top-1, mean of three splits (Table 3)
_base_ = [
    '../_base_/models/frames_vitb.py',
    '../_base_/datasets/hmdb51_8f_frames.py',
    '../_base_/schedules/dualpath_hmdb51.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(trainable=['.*']),
    cls_head=dict(type='FrameMeanHead', num_classes=51))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
