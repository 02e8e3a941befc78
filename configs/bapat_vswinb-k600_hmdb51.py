# bash tools/dist_train.sh configs/bapat_vswinb-k600_hmdb51.py 4
# Swin-BAPAT, Video Swin-B pretrained on Kinetics-600, HMDB51, 8 frames.
# paper: see Table 2.
_base_ = ['bapat_vswinb_hmdb51.py']

model = dict(
    backbone=dict(
        backbone=dict(
            init_cfg=dict(
                checkpoint='checkpoints/'
                'swin_base_patch244_window877_kinetics600_22k.pth'))))
