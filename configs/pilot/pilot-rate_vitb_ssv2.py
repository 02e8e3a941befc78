# bash tools/dist_train.sh configs/pilot/pilot-rate_vitb_ssv2.py 8
# Pilot 5, against the best so far: the learning rate is one per 256 clips,
# half of the table's with batches of 128.
# paper: no figure, a pilot run (docs/recipes.md)
_base_ = ['./pilot-match_vitb_ssv2.py']

auto_scale_lr = dict(enable=True, base_batch_size=256)
