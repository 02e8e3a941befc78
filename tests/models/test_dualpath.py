"""The recognizer: identity at the start, counts, inputs, compilation."""
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper

from mmdualpath.analysis.structure import build_structure

CONFIGS = Path(__file__).parents[2] / 'configs'
ADAPTER = dict(width=8)


def tiny_model(backbone: dict, **options) -> dict:
    """Both paths on 32 pixels: 2 spatial frames, 2 framesets of 2 x 2."""
    views = dict(
        spatial=dict(
            trainable=['cls_token', 'pos_embed'],
            adapters=[
                dict(type='ParallelAdapter', site='attn', **ADAPTER),
                dict(type='ParallelAdapter', site='mlp', **ADAPTER)
            ]),
        temporal=dict(
            trainable=['cls_token'],
            zero=['pos_embed'],
            adapters=[
                dict(
                    type='FramesetPositions',
                    site='stem',
                    num_framesets=2,
                    grid=2),
                dict(type='PreAdapter', site='attn', **ADAPTER),
                dict(type='SerialAdapter', site='attn', **ADAPTER),
                dict(type='SerialAdapter', site='mlp', **ADAPTER)
            ]))
    return dict(
        type='DualPath',
        backbone=dict(
            type='DualPathBackbone', backbone=backbone, **{
                **views,
                **options
            }),
        cls_head=dict(
            type='MLPHead',
            num_classes=5,
            in_channels=48,
            average_clips='prob'),
        data_preprocessor=dict(
            type='DualPathDataPreprocessor',
            num_spatial_frames=2,
            grid=2,
            mean=[128.] * 3,
            std=[64.] * 3))


def batch(videos: int = 2, views: int = 1, frames: int = 8) -> dict:
    samples = []
    for label in range(videos):
        samples.append(ActionDataSample())
        samples[-1].set_gt_label(label)
    clips = [
        torch.randint(0, 256, (views, 3, frames, 32, 32), dtype=torch.uint8)
        for _ in samples
    ]
    return dict(inputs=clips, data_samples=samples)


@torch.no_grad()
def test_each_path_starts_as_the_frozen_backbone(tiny_clip):
    """Eq. 8 and Eq. 10 over the bare network, adapters or not."""
    model = MODELS.build(tiny_model(tiny_clip)).eval()
    data = model.data_preprocessor(batch(2, 3))
    got = model(**data)

    bare = MODELS.build({
        k: v
        for k, v in tiny_clip.items() if k != 'init_cfg'
    })
    frozen = model.backbone.spatial.base
    plain = {
        name: value
        for name, value in frozen.named_parameters() if 'adapter' not in name
    }
    bare.load_state_dict({
        name.replace('.base', ''): value
        for name, value in plain.items()
    })
    y_sp = torch.stack([
        bare(frames.flatten(0, 1))[0].unflatten(0, (3, 2)).mean(1)
        for frames in data['inputs']['spatial']
    ])

    table = torch.zeros(2, 17, 48)
    table[:, 0] = frozen.pos_embed[:, 0]
    stem = model.backbone.temporal.base.patch_embed
    table[:, 1:] = stem.table(4, 4, torch.device('cpu'))
    y_tp = 0
    for number in range(2):  # positions of each frameset as its embedding
        bare.pos_embed.copy_(table[number])
        framesets = data['inputs']['temporal'][:, :, number]
        y_tp = y_tp + bare(framesets.flatten(0, 1))[0].unflatten(0, (2, 3)) / 2
    expected = torch.cat((y_sp, y_tp), -1).flatten(0, 1)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_without_inner_skip_the_temporal_path_is_the_identity(tiny_clip):
    """The literal Eq. 9 with zero `up`: blocks hand their input on."""
    literal = [
        dict(type='SerialAdapter', site=site, skip=False, **ADAPTER)
        for site in ('attn', 'mlp')
    ]
    view = MODELS.build(
        dict(type='AdaptedBackbone', backbone=tiny_clip, adapters=literal))
    h = torch.randn(2, 17, 48)
    for block in view.base.layers:
        assert torch.equal(block(h), h)


@pytest.mark.parametrize('views', [1, 6])
def test_training_and_testing(tiny_clip, views):
    model = MODELS.build(tiny_model(tiny_clip))
    losses = model(
        **model.data_preprocessor(batch(), training=True), mode='loss')
    losses['loss_cls'].backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name

    predictions = model.eval().test_step(batch(3, views))
    assert len(predictions) == 3
    for sample in predictions:
        assert sample.pred_score.shape == (5, )
        assert sample.pred_score.sum().item() == pytest.approx(1, abs=1e-5)


def test_what_trains(tiny_clip):
    """Adapters, class tokens, spatial positions and the head; no more."""
    model = MODELS.build(tiny_model(tiny_clip))
    others = {
        n
        for n, p in model.named_parameters()
        if p.requires_grad and '.adapter.' not in n and 'cls_head' not in n
    }
    assert others == {
        'backbone.spatial.base.cls_token', 'backbone.spatial.base.pos_embed',
        'backbone.temporal.base.cls_token'
    }
    own = dict(model.named_parameters())
    assert (own['backbone.spatial.base.cls_token']
            is not own['backbone.temporal.base.cls_token'])


def test_one_path_alone(tiny_clip):
    inputs = torch.rand(2, 1, 3, 8, 32, 32)
    for missing, remaining in (('temporal', 'spatial'), ('spatial',
                                                         'temporal')):
        cfg = tiny_model(tiny_clip, **{missing: None})
        cfg['cls_head']['in_channels'] = 24
        key = dict(temporal='grid', spatial='num_spatial_frames')[missing]
        cfg['data_preprocessor'][key] = None
        model = MODELS.build(cfg)
        assert model(inputs, stage='head').shape == (2, 5)
        assert not any(f'{missing}.' in name for name in model.state_dict())
        assert any(f'{remaining}.' in name for name in model.state_dict())


def test_swin_without_class_token(tiny_swin):
    views = dict(
        spatial=dict(adapters=[
            dict(type='ParallelAdapter', site='window_attn', **ADAPTER),
            dict(type='ParallelAdapter', site='mlp', **ADAPTER)
        ]),
        temporal=dict(adapters=[
            dict(
                type='FramesetPositions', site='stem', num_framesets=2,
                grid=2),
            dict(type='SerialAdapter', site='window_attn', **ADAPTER),
            dict(type='SerialAdapter', site='mlp', **ADAPTER)
        ]))
    cfg = tiny_model(tiny_swin, **views)
    cfg['cls_head']['in_channels'] = 2 * 48
    model = MODELS.build(cfg)
    spatial = torch.rand(2, 3, 3, 32, 32)
    got = model.backbone(spatial, torch.rand(2, 2, 3, 32, 32))
    maps = model.backbone.spatial(spatial.flatten(0, 1))
    expected = maps.mean((2, 3)).view(2, 3, 48).mean(1)
    torch.testing.assert_close(got[:, :48], expected)


def test_wrong_inputs_are_named(tiny_clip):
    model = MODELS.build(tiny_model(tiny_clip)).backbone
    frames = torch.rand(1, 2, 3, 32, 32)
    with pytest.raises(ValueError, match='the inputs are for'):
        model(spatial=frames)
    with pytest.raises(ValueError, match=r'adapters are set for \{2\}'):
        model(frames, torch.rand(1, 3, 3, 32, 32))
    with pytest.raises(ValueError, match='needs one of them'):
        MODELS.build(
            dict(type='DualPathBackbone', backbone=dict(type='unused')))


@pytest.mark.parametrize('name, trainable, total', [
    ('dualpath_vitb_k400', 10.4, 96.6),
    ('dualpath_vitb_ssv2', 12.6, 98.8),
    ('dualpath_vitb_hmdb51', 10.2, 96.4),
    ('dualpath_vitb_diving48', 10.2, 96.4),
    ('dualpath_vitl_k400', 27.0, 331),
    ('dualpath_vitl_ssv2', 33.2, 337),
    ('dualpath-spatial_vitb_ssv2', 5.25, None),
    ('dualpath-temporal_vitb_ssv2', 7.55, None),
    ('dualpath_swinb_ssv2', 11.5, None),
])
def test_parameter_counts_in_millions(name, trainable, total):
    """Counts that follow from the equations of the paper, within 2%."""
    model = build_structure(Config.fromfile(CONFIGS / f'{name}.py').model)
    counts = [p.numel() for p in model.parameters() if p.requires_grad]
    assert sum(counts) / 1e6 == pytest.approx(trainable, rel=0.02)
    if total is not None:
        everything = sum(p.numel() for p in model.parameters())
        assert everything / 1e6 == pytest.approx(total, rel=0.02)
    if 'vitb' in name:  # well under 60 MB in fp32
        assert sum(v.numel() * v.element_size()
                   for v in model.state_dict().values()) < 60e6


def test_positions_of_the_dump_train_one_embedding_more():
    """(N + 1) x d parameters, of a total that stays as it is."""
    paper, dump = (
        build_structure(Config.fromfile(CONFIGS / f'{name}.py').model)
        for name in ('dualpath_vitb_ssv2', 'dualpath-frame-number_vitb_ssv2'))
    total, trainable = ([
        sum(p.numel() for p in model.parameters() if p.requires_grad or every)
        for model in (paper, dump)
    ] for every in (True, False))
    assert total[1] == total[0]
    assert trainable[1] == trainable[0] + (14 * 14 + 1) * 768


def test_no_graph_break(tiny_clip):
    """One graph from the normalised inputs to the class scores."""
    model = MODELS.build(tiny_model(tiny_clip)).eval()
    inputs = model.data_preprocessor(batch())['inputs']
    expected = model(inputs, stage='head')
    compiled = torch.compile(
        lambda x: model(x, stage='head'), fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(inputs), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_device_and_cpu_agree(tiny_clip):
    model = MODELS.build(tiny_model(tiny_clip)).eval()
    data = batch()
    on_cpu = model.test_step(data)
    on_gpu = model.cuda().test_step(data)
    for a, b in zip(on_cpu, on_gpu):
        torch.testing.assert_close(
            a.pred_score, b.pred_score.cpu(), rtol=1e-3, atol=1e-4)


def test_options_of_a_view_come_first(tiny_clip):
    cfg = tiny_model(tiny_clip, with_cp=True)
    cfg['backbone']['spatial'].update(with_cp=False, frozen_dtype='float64')
    model = MODELS.build(cfg)
    kinds = [type(v.base.layers[0]) for v in model.backbone.views().values()]
    assert kinds[0] is not kinds[1]
    assert model.backbone.spatial.base.ln1.weight.dtype == torch.float64


def test_one_class_token_for_both_paths(tiny_clip):
    model = MODELS.build(tiny_model(tiny_clip, shared=['cls_token']))
    spatial, temporal = model.backbone.views().values()
    assert spatial.base.cls_token is temporal.base.cls_token
    apart = MODELS.build(tiny_model(tiny_clip))
    assert len(list(apart.parameters())) == len(list(model.parameters())) + 1
    assert set(apart.state_dict()) == set(model.state_dict())
    constructor = dict(
        type='OptimWrapper',
        constructor='TrainableParamsConstructor',
        optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1),
        paramwise_cfg=dict(bias_decay_mult=0.))
    build_optim_wrapper(model, constructor)
    with pytest.raises(ValueError, match='shared: pos_embed must train'):
        MODELS.build(tiny_model(tiny_clip, shared=['pos_embed']))


def misfit(cfg: dict, kind: str) -> dict:
    if kind == 'grid':
        cfg['data_preprocessor']['grid'] = (2, 4)
    elif kind in ('TSNHead', 'I3DHead'):
        cfg['cls_head'] = dict(type=kind, num_classes=5, in_channels=48)
    elif kind == 'preprocessor':
        cfg['data_preprocessor'] = dict(type='ActionDataPreprocessor')
    elif kind == 'pixels':
        cfg['data_preprocessor'].update(
            mean=[0.481, 0.458, 0.408], std=[0.269, 0.261, 0.276])
    elif kind == 'backbone':
        cfg['backbone'] = dict(
            type='AdaptedBackbone', backbone=cfg['backbone']['backbone'])
    return cfg


@pytest.mark.parametrize('kind, message', [
    ('grid', r'grid=\(2, 4\).*positions.*\(2, 2\)'),
    ('TSNHead', 'TSNHead does not read features.*MLPHead'),
    ('I3DHead', 'I3DHead does not read features.*MLPHead'),
    ('preprocessor', 'DualPathDataPreprocessor, given ActionDataPre'),
    ('backbone', 'DualPathBackbone, given AdaptedBackbone'),
    ('pixels', r'mean=\[0.481.*multiply both by 255'),
])
def test_parts_that_do_not_fit(tiny_clip, kind, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(misfit(tiny_model(tiny_clip), kind))


def test_channels_of_the_head(tiny_clip):
    cfg = tiny_model(tiny_clip)
    cfg['cls_head']['in_channels'] = 96
    model = MODELS.build(cfg)
    with pytest.raises(ValueError, match='48 channels.*in_channels=96'):
        model(**model.data_preprocessor(batch()), mode='predict')


def test_tokens_are_no_feature(tiny_clip):
    backbone = dict(tiny_clip, out_type='raw', out_dims=None)
    model = MODELS.build(tiny_model(backbone))
    with pytest.raises(ValueError, match='spatial path needs.*out_type'):
        model(**model.data_preprocessor(batch()), mode='tensor')


def test_clips_of_several_sizes(tiny_clip):
    model = MODELS.build(tiny_model(tiny_clip))
    data = batch()
    data['inputs'][1] = data['inputs'][1][..., :24]
    with pytest.raises(ValueError, match='several sizes.*crop or resize'):
        model.data_preprocessor(data)


def test_tracing(tiny_clip):
    model = MODELS.build(tiny_model(tiny_clip)).eval()
    inputs = model.data_preprocessor(batch())['inputs']
    frames = tuple(v.flatten(0, 1) for v in inputs.values())
    traced = torch.jit.trace(model.backbone, frames)
    torch.testing.assert_close(traced(*frames), model.backbone(*frames))
