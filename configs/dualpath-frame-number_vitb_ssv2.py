# bash tools/dist_train.sh configs/dualpath-frame-number_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 16 frames, 1 x 3 views, whose temporal path
# trains the pretrained position embedding and adds the number of the frame to
# it.
# paper: no figure, it has fixed 3-D positions
_base_ = ['./dualpath_vitb_ssv2.py']

model = dict(
    backbone=dict(
        temporal=dict(
            trainable=['cls_token', 'pos_embed'],
            zero=[],
            adapters=dict(positions=dict(type='FrameIndexPositions')))))
