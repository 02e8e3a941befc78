# bash tools/dist_train.sh configs/dualpath-dump-192_vitb_k400.py 8
# DualPath as the authors' dump has it, CLIP ViT-B/16, Kinetics-400, 16 frames,
# 3 x 1 views, with adapters of its width of 192, d / 4.
# paper: no figure, its adapters are 128 wide
_base_ = ['./dualpath-dump_vitb_k400.py']

width = dict(width=192)
model = dict(
    backbone=dict(
        spatial=dict(adapters=dict(attn=width, mlp=width)),
        temporal=dict(adapters=dict(attn_out=width, mlp=width))))
