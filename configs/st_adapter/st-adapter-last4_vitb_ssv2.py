# bash tools/dist_train.sh configs/st_adapter/st-adapter-last4_vitb_ssv2.py 8
# ST-Adapter in the last four blocks alone, CLIP ViT-B/16, SSv2, 8 frames,
# 1 x 3 views. What the eight blocks in front put out may come from files:
# docs/frozen_features.md.
# paper: no figure of this variant is known here
_base_ = ['./st-adapter-t8_vitb_ssv2.py']

last = [-4, -3, -2, -1]
model = dict(
    backbone=dict(
        adapters=dict(mlp=dict(blocks=last), attn=dict(blocks=last))))
# Reads features from files if model.backbone.cache names their folder.
custom_hooks = [dict(type='CachedFeaturesHook')]
