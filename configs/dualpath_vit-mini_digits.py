# bash tools/quickstart.sh
# DualPath with the miniature ViT on the rendered motions of digits, 16 frames
# of 64 pixels. Two things differ from the paper's models:
# - The temporal path keeps the pretrained position embedding, trains it and
#   adds the frame number to it (FrameIndexPositions).
# - The spatial frames lie symmetrically in the clip. Every (T / T_S)-th frame,
#   the first included, would tell a motion from the same motion backwards.
_base_ = ['_base_/models/vit_mini.py', '_base_/default_runtime.py']

num_classes = 8
data_root = 'data/digits'
_base_.backbone.init_cfg = dict(
    type='Pretrained',
    checkpoint='work_dirs/pretrain_vit-mini_digits/'
    'epoch_6.pth')
_base_.default_hooks.logger.interval = 25
_base_.default_hooks.checkpoint.max_keep_ckpts = 1

adapter = dict(width=32)
model = dict(
    type='DualPath',
    backbone=dict(
        type='DualPathBackbone',
        backbone=_base_.backbone,
        spatial=dict(
            trainable=['cls_token', 'pos_embed'],
            adapters=[
                dict(type='ParallelAdapter', site='attn', **adapter),
                dict(type='ParallelAdapter', site='mlp', **adapter)
            ]),
        temporal=dict(
            trainable=['cls_token', 'pos_embed'],
            adapters=[
                dict(
                    type='FrameIndexPositions',
                    site='stem',
                    num_framesets=1,
                    grid=(4, 4)),
                dict(type='PreAdapter', site='attn', **adapter),
                dict(type='SerialAdapter', site='attn', **adapter),
                dict(type='SerialAdapter', site='mlp', **adapter)
            ])),
    cls_head=dict(
        type='MLPHead',
        num_classes=num_classes,
        in_channels=2 * 64,
        topk=(1, ),
        average_clips='prob'),
    data_preprocessor=dict(
        type='DualPathDataPreprocessor',
        num_spatial_frames=[4, 11],
        grid=(4, 4),
        mean=[127.5, 127.5, 127.5],
        std=[63.75, 63.75, 63.75]))

# The motions are not symmetric, so nothing is flipped.
pipeline = [
    dict(type='DecordInit'),
    dict(type='UniformSample', clip_len=16, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler'),
    dataset=dict(
        type='ReliableVideoDataset',
        ann_file=f'{data_root}/train.txt',
        data_prefix=dict(video=f'{data_root}/train'),
        pipeline=pipeline))
test_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ReliableVideoDataset',
        ann_file=f'{data_root}/test.txt',
        data_prefix=dict(video=f'{data_root}/test'),
        pipeline=pipeline,
        test_mode=True))
val_dataloader = test_dataloader
test_evaluator = dict(
    type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk=(1, ))))
val_evaluator = test_evaluator

max_epochs = 5
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='AdamW', lr=5e-3, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., bias_decay_mult=0.),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.01, end=1, convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        begin=1,
        end=max_epochs,
        T_max=max_epochs - 1,
        convert_to_iter_based=True)
]
randomness = dict(seed=0)
