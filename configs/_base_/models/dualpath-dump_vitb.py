# DualPath as the authors' dump builds it: one class token for both paths, a
# fresh random embedding of all N + 1 positions trained in the temporal path,
# and to it added a 1-D sinusoid of the frame's number from 1 on, the class
# token's number being 0; no inner skip; Kaiming-uniform down projections.
# Frames are normalised by ImageNet's mean and deviation, not by CLIP's.
# The dump's adapters are 192 wide (dualpath-dump-192_*; the paper says 128),
# and its blocks have the fifth adapter on every data set.
_base_ = ['./dualpath_vitb.py']

start = dict(init='kaiming_uniform')
dump = dict(skip=False, **start)
model = dict(
    backbone=dict(
        any_normalization=True,
        shared=['cls_token'],
        spatial=dict(adapters=dict(attn=start, mlp=start)),
        temporal=dict(
            trainable=['cls_token'],
            fresh=['pos_embed'],
            zero=[],
            adapters=dict(
                positions=dict(
                    type='FrameIndexPositions', site='tokens', amplitude=1.),
                attn_in=dump,
                attn_out=dump,
                mlp=dump))),
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
