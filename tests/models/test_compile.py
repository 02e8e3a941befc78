"""``torch.compile(fullgraph=True)`` of every recognizer: no graph break."""
import helpers
import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from test_methods import CASES, batch, build

DUALPATH = ('dualpath_vitb_k400', 'dualpath-tg2_vitb_ssv2',
            'dualpath-frameset448_vitb_ssv2', 'dualpath-spatial_vitb_ssv2',
            'dualpath_vitb-in21k_ssv2', 'dualpath_swinb_ssv2')
SWIN3D = dict(
    type='SwinTransformer3D',
    arch=dict(embed_dims=16, depths=[2, 2], num_heads=[2, 2]),
    window_size=(2, 2, 2),
    out_indices=(1, ),
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


def check(model, inputs) -> None:
    """Compiled and not, testing and training, the results are the same."""
    for training in (False, True):
        model.train(training)
        results = []
        for compiled in (False, True):
            run = model
            if compiled:
                torch._dynamo.reset()
                run = torch.compile(model, backend='eager', fullgraph=True)
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


@pytest.mark.parametrize('recompute', [False, True])
@pytest.mark.parametrize('name', DUALPATH)
def test_dualpath(name, recompute):
    if recompute and name != DUALPATH[0]:
        pytest.skip('one of them is enough')
    cfg = helpers.shrink(Config.fromfile(helpers.CONFIGS / f'{name}.py'))
    cfg.model.backbone.with_cp = recompute
    for view in ('spatial', 'temporal'):
        for adapter in (cfg.model.backbone.get(view)
                        or {}).get('adapters', ()):
            adapter.pop('dropout', None)
    frames = cfg.test_dataloader.dataset.pipeline[1].clip_len
    model = MODELS.build(cfg.model)
    clip = torch.randint(255, (1, 3, frames, 64, 64), dtype=torch.uint8)
    data = model.data_preprocessor(dict(inputs=[clip], data_samples=[]))
    check(model, data['inputs'])


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


def test_dualformer():
    model = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=dict(type='DualFormer', arch='tiny', drop_path_rate=0.),
            cls_head=dict(
                type='I3DHead',
                num_classes=5,
                in_channels=512,
                dropout_ratio=0.)))
    model.eval()
    run = torch.compile(model, backend='eager', fullgraph=True)
    clip = torch.randn(1, 1, 3, 16, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(
            run(clip, stage='head'), model(clip, stage='head'))
