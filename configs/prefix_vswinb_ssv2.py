# bash tools/dist_train.sh configs/prefix_vswinb_ssv2.py 4
# Prefix-tuning, Video Swin-B, SSv2, 8 frames.
# paper: see Table 2.
# The paper leaves the number of prefixes and their width open.
_base_ = [
    '_base_/models/vswinb.py', '_base_/datasets/ssv2_8x2.py',
    '_base_/schedules/sgd_70e.py', '_base_/default_runtime.py'
]

adapters = [dict(type='PrefixTuning', site='msa', num_tokens=16, width=128)]
model = dict(backbone=dict(adapters=adapters))
