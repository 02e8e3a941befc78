# bash tools/dist_train.sh configs/pilot/pilot-amplitude1_vitb_ssv2.py 8
# Pilot 2, against 1: the fixed code's amplitude is 1, as the paper's formula
# reads.
# paper: no figure, a pilot run (docs/recipes.md)
_base_ = ['./pilot-match_vitb_ssv2.py']

model = dict(
    backbone=dict(temporal=dict(adapters=dict(positions=dict(amplitude=1.)))))
