# bash tools/dist_train.sh configs/dualpath-dump_vitb_k400.py 8
# DualPath as the authors' dump has it (docs/recipes.md), CLIP ViT-B/16,
# Kinetics-400, 16 frames, 3 x 1 views.
# paper: no figure is the dump's
_base_ = [
    '_base_/models/dualpath-dump_vitb.py', '_base_/datasets/k400_dump.py',
    '_base_/schedules/dualpath_k400.py', '_base_/default_runtime.py'
]

model = dict(
    backbone=dict(temporal=dict(adapters=dict(attn_in=dict(enabled=False)))),
    cls_head=dict(num_classes=400))

# Everything is decayed: biases, norms, class token and positions too.
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True))
# The table's rate is one per 256 clips.
auto_scale_lr = dict(enable=True, base_batch_size=256)
