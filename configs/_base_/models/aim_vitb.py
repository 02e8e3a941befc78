# AIM with CLIP ViT-B/16, 8 frames, one adapter for time. Another number
# of frames is that of time, temporal and the head.
_base_ = ['./frames_vitb.py']

bottleneck = dict(width=192, init='trunc_normal_down')
model = dict(
    backbone=dict(
        adapters=dict(
            time=dict(type='FramePositions', site='tokens', num_frames=8),
            spatial=dict(type='SerialAdapter', site='attn', **bottleneck),
            joint=dict(
                type='ParallelAdapter',
                site='mlp',
                scale=0.5,
                drop_path=0.2,
                **bottleneck),
            temporal=dict(
                type='TemporalAdaptation',
                site='block',
                num_frames=8,
                drop_path=0.2,
                **bottleneck)),
        trainable=['ln1.*']),
    cls_head=dict(type='FrameMeanHead', num_frames=8, dropout=0.5))
