# bash tools/dist_train.sh configs/pilot/pilot-match_vitb_ssv2.py 8
# Pilot 1: dualpath_vitb_ssv2.py on a fifth of SSv2 for 10 epochs. The first
# lines of the list are taken; shuffle one that is sorted by class.
# paper: no figure, a pilot run (docs/recipes.md)
_base_ = ['../dualpath_vitb_ssv2.py']

train_dataloader = dict(dataset=dict(indices=33783))
train_cfg = dict(max_epochs=10)
