"""A whole training run in a second: tiny videos, a tiny DualPath."""
import itertools
from pathlib import Path

import av
import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

COUNT = itertools.count()
CLIP = dict(
    type='CLIPVisionTransformer',
    arch=dict(
        embed_dims=48, num_layers=2, num_heads=4, feedforward_channels=96),
    img_size=32,
    patch_size=8,
    out_dims=24,
    init_cfg=dict(type='RandomWeights', seed=0))


def write_videos(folder: Path, count: int = 4) -> None:
    """Videos of 16 frames in two classes, and their annotation file."""
    draw = np.random.default_rng(0)
    lines = []
    for i in range(count):
        with av.open(str(folder / f'{i}.mp4'), 'w') as video:
            stream = video.add_stream('mpeg4', rate=8)
            stream.width, stream.height, stream.pix_fmt = 32, 32, 'yuv420p'
            for image in draw.integers(0, 256, (16, 32, 32, 3), np.uint8):
                frame = av.VideoFrame.from_ndarray(image)
                video.mux(stream.encode(frame))
            video.mux(stream.encode())
        lines.append(f'{i}.mp4 {i % 2}\n')
    (folder / 'list.txt').write_text(''.join(lines))


def make_config(folder: Path, backbone: dict = CLIP, **options) -> Config:
    """A config with everything in it, trained for two epochs of two steps."""
    adapter = dict(type='ParallelAdapter', site='mlp', width=8)
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=16, frame_interval=1, num_clips=1),
        dict(type='DecordDecode'),
        dict(type='FormatShape', input_format='NCTHW'),
        dict(type='PackActionInputs')
    ]
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(
            type='VideoDataset',
            ann_file=str(folder / 'list.txt'),
            data_prefix=dict(video=str(folder)),
            pipeline=pipeline))
    evaluator = dict(
        type='AccMetric', metric_options=dict(top_k_accuracy=dict(topk=(1, ))))
    cfg = dict(
        custom_imports=dict(
            imports=['mmdualpath'], allow_failed_imports=False),
        default_scope='mmaction',
        model=dict(
            type='DualPath',
            backbone=dict(
                type='DualPathBackbone',
                backbone=backbone,
                spatial=dict(
                    adapters=[adapter], trainable=['cls_token', 'pos_embed']),
                temporal=dict(
                    adapters=[
                        dict(type='FramesetPositions', site='stem'),
                        dict(adapter, type='SerialAdapter')
                    ],
                    trainable=['cls_token'],
                    zero=['pos_embed'])),
            cls_head=dict(
                type='MLPHead',
                num_classes=2,
                in_channels=48,
                topk=(1, ),
                average_clips='prob'),
            data_preprocessor=dict(
                type='DualPathDataPreprocessor',
                num_spatial_frames=4,
                mean=[122.771, 116.746, 104.094],  # CLIP's
                std=[68.500, 66.632, 70.323])),
        test_pipeline=pipeline,
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        val_evaluator=evaluator,
        test_evaluator=evaluator,
        train_cfg=dict(
            type='EpochBasedTrainLoop', max_epochs=2, val_interval=2),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
        param_scheduler=[dict(type='LinearLR', start_factor=0.5, end=2)],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        visualizer=dict(
            type='ActionVisualizer',
            vis_backends=[dict(type='LocalVisBackend')]),
        log_level='WARNING',
        work_dir=str(folder / 'work'))
    cfg.update(options)
    path = folder / 'dualpath_tiny_noise.py'
    Config(cfg).dump(path)
    return Config.fromfile(path)


def make_runner(cfg: Config, name: str = '', **options) -> Runner:
    """A runner of its own name, so that several fit into one process."""
    cfg = Config(cfg.to_dict(), filename=cfg.filename)
    cfg.merge_from_dict(options)
    cfg.experiment_name = name or f'run-{next(COUNT)}'
    return Runner.from_cfg(cfg)
