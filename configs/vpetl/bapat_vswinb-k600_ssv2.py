# bash tools/dist_train.sh configs/vpetl/bapat_vswinb-k600_ssv2.py 4
# Swin-BAPAT, Video Swin-B pretrained on Kinetics-600, SSv2, 8 frames.
# paper: no figure in the text at hand (V-PETL, Tables 2 and 4)
# The rows of Table 4 by --cfg-options model.backbone.adapters.patt.on=q (or k,
# v, qk, qv, qkv), "Concat [K, V]" by .concat=True, "No Z [K, V]" by
# .num_tokens=392.
_base_ = ['./bapat_vswinb_ssv2.py']

model = dict(
    backbone=dict(
        backbone=dict(
            init_cfg=dict(
                checkpoint='checkpoints/'
                'swin_base_patch244_window877_kinetics600_22k.pth'))))
