"""``torch.compile(fullgraph=True)`` of every recognizer: no graph break."""
import re

import helpers
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from test_methods import CASES, batch, build

from mmdualpath.models.adapters import Adapter

DUALPATH = ('dualpath_vitb_k400', 'dualpath-tg2_vitb_ssv2',
            'dualpath-frameset448_vitb_ssv2', 'dualpath-spatial_vitb_ssv2',
            'dualpath_vitb-in21k_ssv2', 'dualpath_swinb_ssv2')
SWIN3D = dict(
    type='SwinTransformer3D',
    arch=dict(embed_dims=16, depths=[2, 2], num_heads=[2, 2]),
    window_size=(2, 2, 2),
    out_indices=(1, ),
    pretrained2d=False,
    init_cfg=dict(type='RandomWeights'))
VIDEOMAE = dict(
    type='mmaction.VisionTransformer',
    img_size=32,
    embed_dims=32,
    depth=2,
    num_heads=2,
    num_frames=4,
    init_cfg=dict(type='RandomWeights'))
VPETL = dict(
    adaptformer=dict(type='ParallelAdapter', site='mlp', width=8, scale=0.1),
    patt=dict(type='PATT', site='msa', width=8),
    prefix=dict(type='PrefixTuning', site='msa', num_tokens=4, width=8),
    vpt=dict(type='WindowVPT', site='msa', num_prompts=3))


@pytest.fixture(autouse=True)
def _forget_compiled():
    torch._dynamo.reset()


def check(model, inputs, modes=(True, )) -> None:
    """Compiled and not, scores and gradients are the same."""
    for training in modes:
        model.train(training)
        results = []
        for compiled in (False, True):
            run = torch.compile(
                model, backend='eager', fullgraph=True) if compiled else model
            torch.manual_seed(0)
            model.zero_grad()
            with torch.set_grad_enabled(training):
                scores = run(inputs, stage='head')
            if training:
                scores.square().sum().backward()
            results.append([scores.detach()] + [
                p.grad.clone()
                for p in model.parameters() if p.grad is not None
            ])
        assert len(results[0]) > training
        torch.testing.assert_close(*results)


@pytest.mark.parametrize('name, recompute, positions', [
    (DUALPATH[0], True, 'FramesetPositions'),
    (DUALPATH[0], False, 'FrameIndexPositions'),
    *((name, False, 'FramesetPositions') for name in DUALPATH),
])
def test_dualpath(name, recompute, positions):
    cfg = helpers.shrink(Config.fromfile(helpers.CONFIGS / f'{name}.py'))
    cfg.model.backbone.with_cp = recompute
    for view in ('spatial', 'temporal'):
        adapters = (cfg.model.backbone.get(view) or {}).get('adapters', {})
        for adapter in adapters.values():
            adapter.pop('dropout', None)
            if adapter['type'] == 'FramesetPositions':
                adapter['type'] = positions
    frames = cfg.test_dataloader.dataset.pipeline[1].clip_len
    model = MODELS.build(cfg.model)
    clip = torch.randint(255, (1, 3, frames, 64, 64), dtype=torch.uint8)
    data = model.data_preprocessor(dict(inputs=[clip], data_samples=[]))
    check(model, data['inputs'], modes=(False, True))


@pytest.mark.parametrize('method, backbone', CASES)
def test_baselines(method, backbone):
    check(build(method, backbone), batch()['inputs'])


@pytest.mark.parametrize('method', VPETL)
@pytest.mark.parametrize('backbone', [SWIN3D, VIDEOMAE], ids=['swin', 'mae'])
def test_vpetl(method, backbone):
    model = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(
                type='AdaptedBackbone',
                backbone=backbone,
                adapters=[VPETL[method]]),
            cls_head=dict(
                type='I3DHead' if backbone is SWIN3D else 'TimeSformerHead',
                num_classes=5,
                in_channels=32,
                **(dict(dropout_ratio=0.) if backbone is SWIN3D else {}))))
    check(model, torch.randn(1, 1, 3, 4, 32, 32))


@pytest.mark.parametrize('labelled', [False, True])
def test_dualformer(labelled):
    cfg = dict(
        type='Recognizer3D',
        backbone=dict(
            type='DualFormer',
            arch=dict(embed_dims=16, num_heads=2, depths=(2, 4)),
            window=(2, 4, 4),
            fine_sizes=((2, 2, 2), (4, 2, 2)),
            coarse_kernels=(((1, 2, 2), (2, 2, 2)), None)),
        cls_head=dict(
            type='I3DHead', num_classes=5, in_channels=32, dropout_ratio=0.))
    if labelled:
        teacher = dict(cfg, init_cfg=dict(type='RandomWeights'))
        cfg = dict(cfg, type='TokenLabelRecognizer3D', teacher=teacher)
    model = MODELS.build(cfg)
    check(model, torch.randn(2, 1, 3, 8, 32, 32))


def test_no_adapter_is_left_out():
    cases = [[case.values[0].adapters for case in CASES], VPETL]
    cases += [
        Config.fromfile(helpers.CONFIGS / f'{name}.py').model.to_dict()
        for name in DUALPATH
    ]
    compiled = set(re.findall(r"'type': '(\w+)'", str(cases)))
    assert {
        name
        for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, Adapter)
        and kind.__module__.startswith('mmdualpath')
    } - compiled == {'FrameIndexPositions'}  # see test_dualpath
