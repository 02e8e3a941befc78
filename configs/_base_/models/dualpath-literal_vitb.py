# DualPath by the letter of the paper: Eq. 9 as it is printed, without inner
# skip; "h_0 = [x{[CLS]}, X] + p_TP": the fixed 3-D code of amplitude 1 on all
# tokens, the class token too, in place of the learned embedding ("Unlike the
# spatial adaptation, we use fixed 3D positional encodings"). "Obtained in the
# same way in Eq. 1", which ends in "+ p", allows to read it as added to that
# one: dualpath-literal-added_*.
_base_ = ['./dualpath_vitb.py']

literal = dict(skip=False)
model = dict(
    backbone=dict(
        temporal=dict(
            trainable=['cls_token'],
            zero=['pos_embed'],
            adapters=dict(
                positions=dict(
                    type='FramesetPositions', site='tokens', amplitude=1.),
                attn_in=literal,
                attn_out=literal,
                mlp=literal))))
