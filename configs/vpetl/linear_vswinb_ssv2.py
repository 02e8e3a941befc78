# bash tools/dist_train.sh configs/vpetl/linear_vswinb_ssv2.py 4
# The FC only, Video Swin-B, SSv2, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/ssv2_8x2.py',
    '../_base_/schedules/sgd_70e.py', '../_base_/default_runtime.py'
]
