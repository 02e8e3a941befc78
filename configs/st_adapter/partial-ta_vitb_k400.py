# bash tools/dist_train.sh configs/st_adapter/partial-ta_vitb_k400.py 8
# Partial fine-tuning of the last block with temporal attention (SA + TA), CLIP
# ViT-B/16, Kinetics-400, 8 frames, 3 x 1 views.
# paper: no figure, the poster leaves it empty
_base_ = [
    '../_base_/models/frames_vitb.py', '../_base_/datasets/k400_8f_frames.py',
    '../_base_/schedules/dualpath_k400.py', '../_base_/default_runtime.py'
]

num_frames = 8
model = dict(
    backbone=dict(
        adapters=dict(
            positions=dict(
                type='FramePositions', site='stem', num_frames=num_frames),
            time=dict(
                type='TemporalAttention',
                site='block',
                num_frames=num_frames,
                blocks=[-1])),
        trainable=[r'layers\.11\..*']),
    cls_head=dict(type='FrameMeanHead', num_classes=400))

# Not in the papers.
optim_wrapper = dict(optimizer=dict(lr=1e-5))
