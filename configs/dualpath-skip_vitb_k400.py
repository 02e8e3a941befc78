# bash tools/dist_train.sh configs/dualpath-skip_vitb_k400.py 8
# DualPath, CLIP ViT-B/16, Kinetics-400, 16 frames, 3 x 1 views, whose serial
# adapters have an inner skip: Adapter(x) = x + up(act(down x)), so that the
# frozen network is intact at the start.
# paper: no figure, its Eq. 9 has none
_base_ = ['./dualpath_vitb_k400.py']

skip = dict(skip=True)
model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_out=skip, mlp=skip))))
