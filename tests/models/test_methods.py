"""Every method on every backbone: one table, one set of tests."""
import re
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Callable, Sequence

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

from mmdualpath.engine import Float32ScoresHook
from mmdualpath.models.backbones import FrozenBackbone

T, CLASSES, DIMS = 2, 5, 48
TINY = dict(
    embed_dims=DIMS, num_layers=3, num_heads=4, feedforward_channels=96)
RANDOM = dict(type='RandomWeights')
BACKBONES = dict(
    clip=dict(
        type='CLIPVisionTransformer',
        arch=dict(TINY),
        img_size=32,
        patch_size=8,
        out_dims=None,
        init_cfg=RANDOM),
    vit=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(TINY),
        img_size=32,
        patch_size=8,
        init_cfg=RANDOM),
    swin=dict(
        type='mmpretrain.SwinTransformer',
        arch=dict(embed_dims=DIMS // 2, depths=[2, 2], num_heads=[2, 4]),
        img_size=32,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.,
        out_indices=(1, ),
        init_cfg=RANDOM))
BLOCKS = dict(
    clip=[f'layers.{i}' for i in range(3)],
    vit=[f'layers.{i}' for i in range(3)],
    swin=[f'stages.{s}.blocks.{b}' for s in range(2) for b in range(2)])
MSA = dict(clip='attn', vit='attn', swin='attn.w_msa')
LOW_RANK = ['down', 'up']
LINEAR = dict(width=8, act_cfg=None)
VITS, ALL = ('clip', 'vit'), ('clip', 'vit', 'swin')
# In Swin the odd blocks shift their windows.
PLAIN_WINDOWS = dict(clip=(0, 1, 2), vit=(0, 1, 2), swin=(0, 2))

PARAMS = ('weight', 'bias')
BOTTLENECK = [f'adapter.{m}.{p}' for m in ('down', 'up') for p in PARAMS]
SPACE_TIME = [
    f'adapter.{m}.{p}' for m in ('down', 'conv', 'up') for p in PARAMS
]
CONVS = [f'conv.{i}.{p}' for i in range(3) for p in PARAMS]
TIME = [
    'norm.weight', 'norm.bias', 'attn.in_proj_weight', 'attn.in_proj_bias',
    'attn.out_proj.weight', 'attn.out_proj.bias', 'fc.weight', 'fc.bias'
]
HEADS = dict(
    FrameMeanHead=[],
    TemporalTransformerHead=['positions'] + [
        f'block.{n}'
        for n in ('self_attn.in_proj_weight', 'self_attn.in_proj_bias')
    ] + [
        f'block.{m}.{p}'
        for m in ('self_attn.out_proj', 'linear1', 'linear2', 'norm1', 'norm2')
        for p in PARAMS
    ],
    AttentivePoolingHead=[
        'query', 'attn.in_proj_weight', 'attn.in_proj_bias',
        'attn.out_proj.weight', 'attn.out_proj.bias'
    ])


def adapter(type: str, site: str, **kwargs) -> dict:
    return dict(type=type, site=site, **kwargs)


ADAPTFORMER = dict(width=8, scale=0.1, act_cfg=dict(type='ReLU'))
ST = dict(num_frames=T, width=8)
TA = [
    adapter('FramePositions', 'stem', num_frames=T),
    adapter('TemporalAttention', 'block', num_frames=T)
]


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        adapters: Configs of the adapters.
        keys: Path of a wrapper in a block -> names of its parameters.
        stem: Names of the parameters of a wrapper of the stem.
        trainable: Patterns over the names of the backbone, by backbone.
        moved: Where a name of the backbone goes by its wrappers.
        head: Type of the head.
        identity: Whether a new model equals the frozen backbone, on ``any``
            clip, on a ``still`` one, or not at all.
        backbones: Backbones it is defined on.
        blind: Names in the last block of what touches patches after the
            last attention; the class token of a ViT's output never sees it.
        only: Blocks it stands in, by backbone.
    """
    adapters: Sequence[dict] = ()
    keys: Sequence[tuple] = ()
    stem: Sequence[str] = ()
    trainable: Callable[[str], Sequence[str]] = lambda backbone: ()
    moved: Callable[[str], str] = lambda name: name
    head: str = 'FrameMeanHead'
    identity: str = 'any'
    backbones: Sequence[str] = ALL
    blind: Sequence[str] = ()
    only: Callable[[str], Sequence[int]] = lambda b: range(len(BLOCKS[b]))


def everything(backbone: str) -> Sequence[str]:
    return ['.*']


def last_block(backbone: str) -> Sequence[str]:
    return [re.escape(BLOCKS[backbone][-1]) + r'\..*']


def in_wrapped_block(name: str) -> str:
    name = name.replace('patch_embed.', 'patch_embed.base.')
    return re.sub(r'^(layers\.\d+|stages\.\d+\.blocks\.\d+)\.', r'\1.base.',
                  name)


METHODS = dict(
    linear=Method(),
    full=Method(trainable=everything),
    full_temporal_attention=Method(TA, [('', TIME)], ['positions'], everything,
                                   in_wrapped_block),
    full_token_shift=Method(
        [adapter('TokenShift', 'qkv', num_frames=T, num_heads=4)],
        trainable=everything,
        moved=lambda name: name.replace('attn.qkv.', 'attn.qkv.base.'),
        head='TemporalTransformerHead',
        identity='still',
        backbones=VITS),
    partial=Method(trainable=last_block),
    temporal=Method(TA, [('', TIME)], ['positions']),
    attentive_pooling=Method(head='AttentivePoolingHead'),
    bias=Method(trainable=lambda backbone: ['.*bias']),
    vpt=Method([adapter('VPT', 'block', num_prompts=3)], [('', ['prompts'])],
               head='TemporalTransformerHead',
               identity='no',
               backbones=VITS),
    window_vpt=Method([adapter('WindowVPT', 'msa', num_prompts=3)],
                      [('{msa}.', ['prompts'])],
                      head='TemporalTransformerHead',
                      identity='no'),
    video_prompt=Method([adapter('VPT', 'block', num_prompts=3, deep=False)],
                        [('', ['prompts'])],
                        head='TemporalTransformerHead',
                        identity='no',
                        backbones=VITS,
                        only=lambda backbone: [0]),
    adaptformer=Method([adapter('ParallelAdapter', 'mlp', **ADAPTFORMER)],
                       [('ffn.layers.', BOTTLENECK)],
                       head='TemporalTransformerHead'),
    adaptformer_release=Method(
        [adapter('ParallelAdapter', 'residual_mlp', **ADAPTFORMER)],
        [('ffn.', BOTTLENECK)],
        head='TemporalTransformerHead'),
    pro_tuning=Method([adapter('ProTuning', 'block', width=8)], [('', CONVS)],
                      head='TemporalTransformerHead',
                      blind=['conv.']),
    st_adapter=Method([adapter('STAdapter', 'residual_mlp', **ST)],
                      [('ffn.', SPACE_TIME)],
                      blind=['ffn.adapter.']),
    st_adapter_both=Method([
        adapter('STAdapter', 'residual_mlp', **ST),
        adapter('STAdapter', 'block', **ST)
    ], [('base.ffn.', SPACE_TIME), ('', SPACE_TIME)],
                           blind=['base.ffn.adapter.']),
    st_adapter_release=Method([
        adapter('FrameMean', 'residual_mlp', blocks=[-1], num_frames=T),
        adapter('STAdapter', 'residual_mlp', **ST)
    ], [('ffn.', SPACE_TIME)],
                              identity='still',
                              blind=['ffn.adapter.']),
    st_adapter_cube=Method([
        adapter(
            'STAdapter',
            'block',
            num_frames=T,
            width=None,
            kernel_size=(3, 3, 3))
    ], [('', SPACE_TIME)]),
    st_adapter_parallel=Method([adapter('ParallelSTAdapter', 'mlp', **ST)],
                               [('ffn.layers.', SPACE_TIME)],
                               blind=['ffn.layers.adapter.']),
    adaptformer_stream=Method([
        adapter(
            'ParallelAdapter',
            'norm_mlp',
            init='kaiming_uniform',
            **ADAPTFORMER)
    ], [('ffn.layers.', BOTTLENECK)]),
    adapter=Method([
        adapter('SerialAdapter', 'attn', width=8),
        adapter('SerialAdapter', 'mlp', width=8)
    ], [('attn.', BOTTLENECK), ('ffn.layers.', BOTTLENECK)]),
    dualpath_spatial=Method(
        [adapter('ParallelAdapter', s, width=8) for s in ('attn', 'mlp')],
        [('attn.', BOTTLENECK), ('ffn.layers.', BOTTLENECK)]),
    dualpath_temporal=Method([
        adapter('PreAdapter', 'attn', width=8),
        adapter('SerialAdapter', 'attn', width=8),
        adapter('SerialAdapter', 'mlp', width=8)
    ], [('attn.', BOTTLENECK), ('attn.base.', BOTTLENECK),
        ('ffn.layers.', BOTTLENECK)]),
    dualpath_windows=Method([adapter('SerialAdapter', 'window_attn', width=8)],
                            [('attn.', BOTTLENECK)],
                            backbones=('swin', ),
                            only=PLAIN_WINDOWS.get),
    lora=Method(
        [adapter('LoRA', s, rank=2) for s in ('qkv', 'proj', 'fc1', 'fc2')],
        [(f'{{{s}}}.', LOW_RANK)
         for s in ('qkv', 'proj')] + [('ffn.layers.0.0.', LOW_RANK),
                                      ('ffn.layers.1.', LOW_RANK)]),
    dora=Method([adapter('DoRA', 'qkv', rank=2, on='qkv')],
                [('{qkv}.', [*LOW_RANK, 'magnitude'])]),
    ssf=Method([adapter('SSF', s) for s in ('qkv', 'proj', 'fc1', 'fc2')],
               [(f'{{{s}}}.', ['scale', 'shift']) for s in ('qkv', 'proj')] +
               [('ffn.layers.0.0.', ['scale', 'shift']),
                ('ffn.layers.1.', ['scale', 'shift'])]),
    aim=Method([
        adapter('SerialAdapter', 'attn', width=8),
        adapter('ParallelAdapter', 'mlp', width=8, scale=0.5),
        adapter(
            'TemporalAdaptation', 'block', num_frames=T, two=True, width=8)
    ], [('', BOTTLENECK),
        ('', [n.replace('adapter', 'adapter_in') for n in BOTTLENECK]),
        ('base.attn.', BOTTLENECK), ('base.ffn.layers.', BOTTLENECK)],
               backbones=VITS),
    zeroi2v=Method([
        adapter('PreAdapter', 'qkv', **LINEAR),
        adapter('STDHA', 'qkv', num_frames=T, num_heads=4),
        adapter('SerialAdapter', 'proj', **LINEAR),
        adapter('PreAdapter', 'fc1', **LINEAR),
        adapter('SerialAdapter', 'fc2', **LINEAR)
    ], [('{qkv}.base.', BOTTLENECK), ('{proj}.', BOTTLENECK),
        ('ffn.layers.0.0.', BOTTLENECK), ('ffn.layers.1.', BOTTLENECK)],
                   identity='still',
                   backbones=VITS),
    tia=Method(
        [adapter('TIA', 'block', num_frames=T, width=8)],
        [('', [*BOTTLENECK, 'gamma'] +
          [f'{m}.{p}' for m in ('depthwise', 'pointwise') for p in PARAMS])]),
    composed=Method([
        adapter('STAdapter', 'residual_mlp', **ST),
        adapter('ParallelAdapter', 'residual_mlp', **ADAPTFORMER),
        adapter('ProTuning', 'block', width=8),
        adapter('VPT', 'block', num_prompts=3)
    ], [('base.base.ffn.base.', SPACE_TIME), ('base.base.ffn.', BOTTLENECK),
        ('base.', CONVS), ('', ['prompts'])],
                    identity='no',
                    backbones=VITS,
                    blind=['base.base.ffn.base.adapter.', 'base.conv.']),
)
CASES = [
    pytest.param(METHODS[m], b, id=f'{m}-{b}') for m in METHODS
    for b in METHODS[m].backbones
]
every_case = pytest.mark.parametrize('method, backbone', CASES)


@lru_cache(maxsize=None)
def frozen(backbone: str) -> FrozenBackbone:
    return FrozenBackbone.build(BACKBONES[backbone])


def build(method: Method, backbone: str, **kwargs):
    return MODELS.build(
        dict(
            type='Recognizer2D',
            backbone=dict(
                type='AdaptedBackbone',
                backbone=frozen(backbone),
                adapters=method.adapters,
                trainable=method.trainable(backbone),
                **kwargs),
            cls_head=dict(
                type=method.head,
                num_classes=CLASSES,
                in_channels=DIMS,
                num_frames=T,
                topk=1)))


def stir(model) -> None:
    """Move all adapters away from their start, where many are zero."""
    for name, p in model.backbone.named_parameters():
        if p.requires_grad:
            p.data += 0.02 * torch.randn_like(p)


def batch(views: int = 1, still: bool = False) -> dict:
    clips = torch.randn(2, views, 1 if still else T, 3, 32, 32)
    clips = clips.expand(-1, -1, T, -1, -1, -1).flatten(1, 2)
    samples = [ActionDataSample().set_gt_label(i) for i in range(2)]
    return dict(inputs=clips, data_samples=samples)


def loss_of(model, data: dict) -> torch.Tensor:
    return model(**data, mode='loss')['loss_cls']


def expected_keys(method: Method, backbone: str) -> set:
    """Names of what trains, from the table alone."""
    blocks = BLOCKS[backbone]
    msa = MSA[backbone]
    parts = dict(msa=msa, qkv=f'{msa}.qkv', proj=f'{msa}.proj')
    names = [f'patch_embed.{leaf}' for leaf in method.stem]
    names += [
        f'{blocks[i]}.{path.format(**parts)}{leaf}'
        for i in method.only(backbone) for path, leaves in method.keys
        for leaf in leaves
    ]
    bare = MODELS.build({
        k: v
        for k, v in BACKBONES[backbone].items() if k != 'init_cfg'
    })
    names += [
        method.moved(name) for name, _ in bare.named_parameters() if any(
            re.fullmatch(p, name) for p in method.trainable(backbone))
    ]
    head = ['fc.weight', 'fc.bias', *HEADS[method.head]]
    return {f'backbone.base.{n}'
            for n in names} | {f'cls_head.{n}'
                               for n in head}


@every_case
def test_starts_as_the_frozen_backbone(method, backbone):
    model = build(method, backbone).eval()
    images = batch(still=method.identity == 'still')['inputs'].flatten(0, 1)
    with torch.no_grad():
        ours, theirs = model.backbone(images), frozen(backbone).module(images)
    same = torch.allclose(ours, theirs[-1], atol=1e-5)
    assert same == (method.identity != 'no')


@every_case
def test_trains_and_saves_exactly(method, backbone):
    model = build(method, backbone)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    expected = expected_keys(method, backbone)
    assert trained == expected
    assert set(model.state_dict()) == expected | {'backbone.frozen_backbone'}


@every_case
def test_gradients(method, backbone):
    model = build(method, backbone)
    recomputing = build(method, backbone, with_cp=True)
    stir(model)
    # The same tensors in the same order, under names of their own.
    for ours, theirs in zip(recomputing.parameters(), model.parameters()):
        ours.data.copy_(theirs.data)
    for of in (model, recomputing):
        Float32ScoresHook().before_run(SimpleNamespace(model=of))
    data = batch()

    def gradients(of, autocast=False):
        of.zero_grad()
        with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
            loss_of(of, data).backward()
        frozen_names = {
            n
            for n, p in of.named_parameters() if not p.requires_grad
        }
        found = {n: p.grad for n, p in of.named_parameters()}
        assert all(found[n] is None for n in frozen_names)
        return {n: g for n, g in found.items() if n not in frozen_names}

    plain = gradients(model)
    last = f'backbone.base.{BLOCKS[backbone][-1]}.'
    blind = tuple(last + b for b in method.blind if backbone in VITS)
    for name, grad in plain.items():
        assert bool(grad.any()) != name.startswith(blind), name
    for grad, name in zip(gradients(recomputing).values(), plain):
        torch.testing.assert_close(grad, plain[name], msg=name)
    for of in (model, recomputing):
        half = torch.cat([g.flatten() for g in gradients(of, True).values()])
        full = torch.cat([g.flatten() for g in plain.values()])
        assert half.dtype == torch.float32
        assert torch.cosine_similarity(half, full, 0) > 0.9


@every_case
def test_learns_saves_and_resumes(method, backbone):
    data = batch()

    def run(model, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(model, data)
            loss.backward()
            optimizer.step()
        return loss_of(model, data)

    def new():
        model = build(method, backbone)
        trained = [p for p in model.parameters() if p.requires_grad]
        return model, torch.optim.AdamW(trained, 1e-3)

    model, optimizer = new()
    start = loss_of(model, data)
    run(model, optimizer, 2)
    other, other_optimizer = new()
    other.load_state_dict(model.state_dict())
    other_optimizer.load_state_dict(deepcopy(optimizer.state_dict()))
    end = run(model, optimizer, 2)
    assert end < start
    assert torch.equal(run(other, other_optimizer, 2), end)


@every_case
def test_averages_views(method, backbone):
    model = build(method, backbone).eval()
    model.cls_head.average_clips = 'prob'
    stir(model)
    data = batch(views=3)
    with torch.no_grad():
        sample = model(**data, mode='predict')[1]
        scores = [
            model(view, mode='tensor', stage='head').softmax(-1)[0]
            for view in data['inputs'][1:].unflatten(1, (3, T)).unbind(1)
        ]
    torch.testing.assert_close(sample.pred_score, sum(scores) / 3)


@pytest.mark.parametrize('method', ['vpt', 'full_token_shift'])
def test_windows_are_refused(method):
    with pytest.raises(ValueError, match='in windows|is a window'):
        build(METHODS[method], 'swin')


def test_prompts_are_no_patches_to_the_adapters_inside():
    model = build(METHODS['composed'], 'clip')
    block = model.backbone.base.layers[0]
    vpt, pro_tuning = block, block.base
    parallel = pro_tuning.base.ffn
    st_adapter = parallel.base
    extra = [
        a.site.extra_tokens for a in (vpt, pro_tuning, parallel, st_adapter)
    ]
    assert extra == [1, 4, 4, 4]


def test_adapters_agree_on_the_length_of_a_clip():
    method = Method([*TA, adapter('STAdapter', 'block', num_frames=3)])
    with pytest.raises(ValueError, match=r'\[2, 3\]'):
        build(method, 'clip')
