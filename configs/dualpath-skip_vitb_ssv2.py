# bash tools/dist_train.sh configs/dualpath-skip_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, 16 frames, 1 x 3 views, whose serial adapters
# have an inner skip: Adapter(x) = x + up(act(down x)), so that the frozen
# network is intact at the start.
# paper: no figure, its Eq. 9 has none
_base_ = ['./dualpath_vitb_ssv2.py']

skip = dict(skip=True)
model = dict(
    backbone=dict(
        temporal=dict(adapters=dict(attn_in=skip, attn_out=skip, mlp=skip))))
