# bash tools/dist_train.sh configs/dualpath-dump-192_vitb_ssv2.py 8
# DualPath as the authors' dump has it, CLIP ViT-B/16, SSv2, 16 frames, 1 x 3
# views, with adapters of its width of 192, d / 4.
# paper: no figure, its adapters are 128 wide
_base_ = ['./dualpath-dump_vitb_ssv2.py']

width = dict(width=192)
model = dict(
    backbone=dict(
        spatial=dict(adapters=dict(attn=width, mlp=width)),
        temporal=dict(
            adapters=dict(attn_in=width, attn_out=width, mlp=width))))
