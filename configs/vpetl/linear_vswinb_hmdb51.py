# bash tools/dist_train.sh configs/vpetl/linear_vswinb_hmdb51.py 4
# The FC only, Video Swin-B, HMDB51, 8 frames.
# paper: no figure in the text at hand (V-PETL, Table 2)
_base_ = [
    '../_base_/models/vswinb.py', '../_base_/datasets/hmdb51_8x2.py',
    '../_base_/schedules/sgd_70e.py', '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=51))
