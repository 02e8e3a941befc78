# bash tools/dist_train.sh configs/pilot/pilot-frame-number_vitb_ssv2.py 8
# Pilot 4, against the best so far: the frame number on the trained embedding.
# paper: no figure, a pilot run (docs/recipes.md)
_base_ = ['./pilot-match_vitb_ssv2.py']

model = dict(
    backbone=dict(
        temporal=dict(
            trainable=['cls_token', 'pos_embed'],
            zero=[],
            adapters=dict(positions=dict(type='FrameIndexPositions')))))
