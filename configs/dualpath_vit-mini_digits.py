# bash tools/quickstart.sh
# DualPath with the miniature ViT on the rendered motions of digits, 16 frames
# of 64 pixels.
# paper: no figure, a miniature
_base_ = [
    '_base_/models/dualpath_vit-mini.py', '_base_/datasets/digits.py',
    '_base_/schedules/digits.py', '_base_/default_runtime.py'
]

default_hooks = dict(
    logger=dict(interval=25), checkpoint=dict(max_keep_ckpts=1))
