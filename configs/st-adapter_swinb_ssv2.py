# bash tools/dist_train.sh configs/st-adapter_swinb_ssv2.py 8
# ST-Adapter before the MLP, half the channels wide (which gives the paper's 7
# M), Swin-B (ImageNet-21K), Something-Something-V2, 8 frames, 1 x 3 views.
# paper: 65.1 top-1 (Table A2)
_base_ = ['_base_/baselines/swinb_ssv2.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=None, num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead', num_frames=8))
