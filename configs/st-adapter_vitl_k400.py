# bash tools/dist_train.sh configs/st-adapter_vitl_k400.py 8
# ST-Adapter before the MLP, CLIP ViT-L/14, Kinetics-400, 8 frames, 3 x 1
# views.
# paper: 86.7 top-1 (poster)
_base_ = ['_base_/baselines/vitl_k400.py']

model = dict(
    backbone=dict(adapters=[
        dict(type='STAdapter', site='residual_mlp', width=384, num_frames=8)
    ]),
    cls_head=dict(type='FrameMeanHead', num_frames=8))
