# ZeroI2V with CLIP ViT-B/16, 8 frames. Linear adapters in front of and behind
# attention and MLP; the first heads read the frames before and after. Another
# number of frames is that of time, shift and the head.
_base_ = ['./frames_vitb.py']

linear = dict(
    width=192, scale=0.5, dropout=0.1, act_cfg=None, init='trunc_normal_down')
model = dict(
    backbone=dict(
        adapters=dict(
            time=dict(type='FramePositions', site='tokens', num_frames=8),
            attn_in=dict(type='PreAdapter', site='qkv', **linear),
            shift=dict(type='STDHA', site='qkv', num_frames=8),
            attn_out=dict(type='SerialAdapter', site='proj', **linear),
            mlp_in=dict(type='PreAdapter', site='fc1', **linear),
            mlp_out=dict(type='SerialAdapter', site='fc2', **linear)),
        trainable=['ln1.*']),
    cls_head=dict(type='FrameMeanHead', num_frames=8, dropout=0.5))
