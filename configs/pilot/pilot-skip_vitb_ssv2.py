# bash tools/dist_train.sh configs/pilot/pilot-skip_vitb_ssv2.py 8
# Pilot 3, against the better of 1 and 2: serial adapters with an inner skip.
# paper: no figure, a pilot run (docs/recipes.md)
_base_ = ['./pilot-match_vitb_ssv2.py']

skip = dict(skip=True)
model = dict(
    backbone=dict(
        temporal=dict(adapters=dict(attn_in=skip, attn_out=skip, mlp=skip))))
