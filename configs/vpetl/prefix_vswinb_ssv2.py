# bash tools/dist_train.sh configs/vpetl/prefix_vswinb_ssv2.py 4
# Prefix-tuning (Eq. 5), Video Swin-B, SSv2, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
# The paper leaves the number of prefixes and their width open; 16 and 128 are
# those of its release's example.
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/ssv2_8x2.py',
    '../_base_/schedules/sgd_70e.py', '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        adapters=dict(
            msa=dict(
                type='PrefixTuning', site='msa', num_tokens=16, width=128))))
