"""What a run says of its model, and what it refuses before the first step."""
import copy
import logging
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
import tiny_training
import torch
from mmaction.apis import init_recognizer
from mmaction.registry import MODELS
from mmengine.registry import init_default_scope
from tiny_training import make_config, make_runner

REPORT = dict(custom_hooks=[dict(type='ModelReportHook')], log_level='INFO')
GROUPS = dict(
    constructor='TrainableParamsConstructor',
    optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1),
    paramwise_cfg=dict(bias_decay_mult=0.))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Folder, config and log of one training."""
    init_default_scope('mmaction')
    folder = tmp_path_factory.mktemp('reported')
    tiny_training.write_videos(folder)
    cfg = make_config(folder, optim_wrapper=GROUPS, **REPORT)
    cfg.model.backbone.temporal.adapters[0].amplitude = 'match'
    runner = make_runner(cfg)
    runner.train()
    logging.shutdown()
    log, = Path(runner.work_dir).glob('*/*.log')
    return folder, cfg, log.read_text()


def test_one_block_says_what_trains(run):
    log = run[2]
    # 2 views of 2 blocks, an adapter each: 2 (2 * 48 * 8 + 8 + 48) = 1648
    class_token, positions = 48, 17 * 48
    head = 48 * 24 + 24 + 24 * 2 + 2
    trained = (2 * 1648 + 2 * class_token + positions + head) / 1e6
    assert re.search(rf'DualPath: {trained:.3f} M of .* parameters train', log)
    for line in (r'spatial: +ParallelAdapter +0.002 M',
                 r'spatial: +CLIPVisionTransformer +0.001 M',
                 r'temporal: +SerialAdapter +0.002 M',
                 r'head: +MLPHead +0.001 M',
                 r"frozen: +CLIPVisionTransformer, random weights 'seed 0'",
                 r'FramesetPositions: amplitude [0-9.]+'):
        assert re.search(line, log), line


def test_frozen_parameters_are_not_listed(run):
    assert 'requires_grad' not in run[2]
    assert 'before and after calling' not in run[2]


def test_other_classes(run, tmp_path):
    """``load_from`` for other classes leaves out and names the last layer."""
    folder, cfg, _ = run
    cfg = copy.deepcopy(cfg)
    cfg.model.cls_head.num_classes = 3
    cfg.work_dir, cfg.load_from = str(tmp_path), str(folder /
                                                     'work/epoch_2.pth')
    runner = make_runner(cfg)
    start = copy.deepcopy(runner.model.cls_head)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    runner.load_or_resume()
    logging.shutdown()
    log, = Path(runner.work_dir).glob('*/*.log')
    text = log.read_text()
    assert 'Left out of the checkpoint, and trained from new: ' \
        'cls_head.layers.3.weight ((2, 24) in the checkpoint, (3, 24) in' \
        in text
    assert 'cls_head.layers.3.bias' in text
    saved = torch.load(folder / 'work/epoch_2.pth')['state_dict']
    now = runner.model.state_dict()
    assert torch.equal(now['cls_head.layers.0.weight'],
                       saved['cls_head.layers.0.weight'])
    assert torch.equal(now['cls_head.layers.3.weight'], start.layers[3].weight)
    adapter = 'backbone.spatial.base.layers.0.ffn.layers.adapter.up.weight'
    assert torch.equal(now[adapter], saved[adapter])


@pytest.mark.parametrize('way', ['test', 'resume', 'inference'])
def test_other_classes_are_refused_otherwise(run, tmp_path, way):
    folder, cfg, _ = run
    cfg = copy.deepcopy(cfg)
    cfg.model.cls_head.num_classes = 3
    cfg.work_dir = str(tmp_path)
    cfg.load_from = checkpoint = str(folder / 'work/epoch_2.pth')
    with pytest.raises(ValueError, match='does not fill cls_head.*layers.3'):
        if way == 'inference':
            init_recognizer(cfg, checkpoint, device='cpu')
        elif way == 'test':
            make_runner(cfg).test()
        else:
            make_runner(cfg, resume=True).train()


@pytest.mark.parametrize('change, message', [
    (dict(clip_len=8), 'does not fill framesets'),
    (dict(clip_len=32), r'clip_len=32 frames, 2 images for the path .temporal'
     r'., but its adapters are set for \[1\]'),
])
def test_clips_of_another_length(run, tmp_path, change, message):
    cfg = copy.deepcopy(run[1])
    cfg.work_dir = str(tmp_path)
    cfg.train_dataloader.dataset.pipeline[1].update(change)
    with pytest.raises(ValueError, match=message):
        make_runner(cfg).train()


SWIN = dict(
    type='TimmBackbone',
    model_name='swin_tiny_patch4_window7_224',
    img_size=32,
    embed_dim=24,
    depths=(1, ),
    num_heads=(2, ),
    window_size=4,
    init_cfg=dict(type='RandomWeights'))
FIXED = (r'48x64 pixels.*SwinTransformer is built for images of \(32, 32\) '
         r'pixels')


def refuses(cfg, between, message):
    """Whether a run is refused for steps between decoding and packing."""
    cfg.train_dataloader.dataset.pipeline[3:3] = between
    runner = make_runner(cfg)
    runner._train_loop = runner.build_train_loop(runner._train_loop)
    with pytest.raises(ValueError, match=message) if message \
            else nullcontext():
        runner.call_hook('before_run')


@pytest.mark.parametrize('backbone, between, preprocessor, message', [
    (SWIN, [dict(type='CenterCrop', crop_size=(64, 48))
            ], {}, f'train pipeline.*{FIXED}'),
    (SWIN, [dict(type='Resize', scale=(32, 32), keep_ratio=False)], {}, None),
    (SWIN, [
        dict(type='CenterCrop', crop_size=32),
        dict(
            type='ClipAugment',
            transforms=[dict(type='Resize', size=[48, 64])])
    ], {}, FIXED),
    (SWIN, [
        dict(type='CenterCrop', crop_size=(64, 48)),
        dict(type='RandomRescale', scale_range=(32, 33))
    ], {}, None),
    (SWIN, [], dict(augment=[dict(type='CenterCrop', size=[48, 64])]), None),
    (tiny_training.CLIP, [], dict(frameset_size=36),
     "36x36 pixels.*path 'temporal'.*CLIPVision.*patches of .8, 8. pixels"),
    (tiny_training.CLIP, [
        dict(type='CenterCrop', crop_size=32),
        dict(type='GridFrameset', size=36, num_spatial_frames=4)
    ], {}, "36x36 pixels.*path 'temporal'.*CLIPVision.*patches of .8, 8."),
    (tiny_training.CLIP, [dict(type='CenterCrop', crop_size=30)
                          ], {}, "30x30 pixels.*path 'spatial'.*no multiple"),
])
def test_size_of_images(run, tmp_path, backbone, between, preprocessor,
                        message):
    """Compared before any video is read; what is not known is not refused."""
    if backbone is SWIN:
        pytest.importorskip('timm')
    cfg = copy.deepcopy(run[1])
    cfg.work_dir = str(tmp_path)
    cfg.model.backbone = dict(
        type='DualPathBackbone', backbone=backbone, spatial={}, temporal={})
    cfg.model.cls_head.in_channels = 48
    cfg.model.data_preprocessor.update(preprocessor)
    refuses(cfg, between, message)


@pytest.mark.parametrize('size, message', [
    (32, None),
    (40, '40x40 pixels: TimeSformer does not take'),
])
def test_size_of_clips(run, tmp_path, size, message):
    """A backbone of clips is tried on them."""
    cfg = copy.deepcopy(run[1])
    cfg.work_dir = str(tmp_path)
    cfg.model = dict(
        type='Recognizer3D',
        backbone=dict(
            type='AdaptedBackbone',
            backbone=dict(
                type='TimeSformer',
                num_frames=16,
                img_size=32,
                patch_size=8,
                embed_dims=24,
                num_heads=2,
                num_transformer_layers=1,
                init_cfg=dict(type='RandomWeights'))),
        cls_head=dict(type='TimeSformerHead', num_classes=2, in_channels=24),
        data_preprocessor=dict(type='ActionDataPreprocessor'))
    refuses(cfg, [dict(type='CenterCrop', crop_size=size)], message)


def test_frames_of_the_head(run, tmp_path):
    cfg = copy.deepcopy(run[1])
    cfg.work_dir = str(tmp_path)
    cfg.model = dict(
        type='Recognizer2D',
        backbone=dict(
            type='AdaptedBackbone',
            backbone=tiny_training.CLIP,
            adapters=[
                dict(type='STAdapter', site='block', num_frames=16, width=4)
            ]),
        cls_head=dict(
            type='FrameMeanHead', num_classes=2, in_channels=48, num_frames=8),
        data_preprocessor=dict(
            type='ActionDataPreprocessor',
            mean=[0.5] * 3,
            std=[0.25] * 3,
            format_shape='NCHW'))
    with pytest.raises(ValueError, match='multiply both by 255'):
        make_runner(cfg).train()
    cfg.model.data_preprocessor.update(mean=[127.] * 3, std=[64.] * 3)
    with pytest.raises(ValueError, match=r'num_frames=8.*\[16\] frames'):
        make_runner(cfg).train()


def test_a_foreign_file_does_not_fill_dualformer(tmp_path):
    """Nor does anything that fills a part of it."""
    model = MODELS.build(dict(type='DualFormer'))
    tensors = dict(list(model.state_dict().items())[:4])
    cfg = dict(
        model=dict(
            type='Recognizer3D',
            backbone=dict(type='DualFormer'),
            cls_head=dict(type='I3DHead', num_classes=5, in_channels=512)),
        default_scope='mmaction')
    path = tmp_path / 'config.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in cfg.items()))
    for prefix in ('', 'backbone.'):
        torch.save({
            prefix + n: t
            for n, t in tensors.items()
        }, tmp_path / 'part.pth')
        with pytest.raises(ValueError, match='does not fill.*DualFormer'):
            init_recognizer(str(path), str(tmp_path / 'part.pth'), 'cpu')
