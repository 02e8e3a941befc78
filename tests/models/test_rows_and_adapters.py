"""Every row of the table of sites with every adapter at every site.

A pair is refused by one error that names adapter, site and backbone, or it
keeps all that an adapter promises.
"""
import copy
import re
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from rows import (BACKBONES, OPTIONS, SITES, VIT, T, bare, build, frozen,
                  samples, stir)

from mmdualpath.models.adapters import Adapter
from mmdualpath.models.backbones import fold, inject, strip
from mmdualpath.models.backbones.frozen import tensors_of
from mmdualpath.models.consistency import check_size
from mmdualpath.models.sites import blocks_of, resolve, sites_of, unwrapped
from mmdualpath.visualization import attention_maps


def fitting() -> list:
    """All pairs that are not refused; each refusal is checked here."""
    cases = []
    for backbone in BACKBONES:
        row = sites_of(frozen(backbone).module)
        name = type(frozen(backbone).module).__name__
        for adapter in OPTIONS:
            for site in SITES:
                try:
                    build(backbone, adapter, site)
                except ValueError as error:
                    named = f'{name}.*{site}' if site not in row.names \
                        else f'{adapter}.*{site}.*{name}|' \
                        f"site='{site}' stands nowhere in {name}"
                    assert re.search(named, str(error)), error
                else:
                    cases.append((backbone, adapter, site))
    return cases


CASES = fitting()
FOLDING = ('LoRA', 'DoRA', 'SSF')
STAYING = ('TokenShift', 'STDHA', 'FramePositions')
KINDS = tuple(MODELS.get(name) for name in OPTIONS)
every_case = pytest.mark.parametrize('backbone, adapter, site', CASES)


def test_no_adapter_is_left_out():
    known = {
        name
        for name, kind in MODELS.module_dict.items()
        if isinstance(kind, type) and issubclass(kind, Adapter)
        and kind.__module__.startswith('mmdualpath')
    }
    assert known == set(OPTIONS)
    assert {adapter for _, adapter, _ in CASES} == known
    assert {backbone for backbone, _, _ in CASES} == set(BACKBONES)


# Columns of the tables of docs/backbones.md.
COLUMNS = {
    'ViT': ('timm_vit', 'timm_no_class_token'),
    'DINOv3, PE': ('timm_dinov3', 'timm_pe'),
    'Hiera': ('timm_hiera', ),
    'DINOv2, SigLIP (transformers)': ('hf_dinov2', 'hf_siglip', 'hf_siglip2'),
    'DINOv3 (transformers)': ('hf_dinov3', ),
    'V-JEPA 2': ('hf_vjepa2', ),
    'ViT, CLIP': ('vit', 'clip', 'layer_scale'),
    'BEiT': ('beit', ),
    'HiViT': ('hivit', ),
    'VideoMAE': ('videomae', ),
    'Video Swin': ('video_swin', ),
    'DualFormer': ('dualformer', ),
    'TimeSformer, UniFormerV2': ('timesformer', 'uniformerv2'),
    'MViT': ('mvit', ),
}
OF_BOTH = {  # of timm and of OpenMMLab
    'EVA-02': ('timm_eva02', 'eva02'),
    'Swin': ('timm_swin', 'swin'),
    'Swin V2': ('timm_swinv2', 'swinv2'),
}


def test_the_documentation_says_what_fits():
    text = (Path(__file__).parents[2] / 'docs/backbones.md').read_text()
    _, *tables = text.split('| method | site |')
    assert len(tables) == 2
    for number, table in enumerate(tables):
        head, _, *lines = table.split('\n\n')[0].splitlines()
        columns = [c.strip() for c in head.strip('| ').split('|')]
        for line in lines:
            methods, site, *cells = line.strip('|').split('|')
            assert len(cells) == len(columns)
            for column, cell in zip(columns, cells):
                own = COLUMNS.get(column) or (OF_BOTH[column][number], )
                said = {'✓': True, '–': False}[cell.strip()]
                for method in re.findall('`(.*?)`', methods):
                    for backbone in own:
                        case = backbone, method, site.strip('` ')
                        assert (case in CASES) == said, case
    assert all(f'`{name}`' in text for name in OPTIONS if name != 'FrameMean')


@pytest.mark.parametrize('backbone, refused', [
    ('videomae', ('STAdapter', 'TemporalAttention', 'ParallelSTAdapter',
                  'ProTuning', 'FramePositions', 'FramesetPositions')),
    ('video_swin', ('STAdapter', 'TemporalAttention', 'ParallelSTAdapter',
                    'TokenShift', 'VPT', 'ProTuning')),
    ('dualformer', ('VPT', 'TokenShift', 'STAdapter', 'PATT')),
    ('swin', ('VPT', 'TokenShift')),
    ('timm_dinov3', ('VPT', )),
    ('timm_eva02', ('VPT', 'TokenShift')),
    ('timm_swin', ('VPT', 'TokenShift', 'ProTuning')),
    ('timm_swinv2', ('VPT', 'TokenShift', 'ProTuning', 'PATT')),
    ('timm_hiera', ('VPT', 'ProTuning', 'PATT')),
    ('beit', ('VPT', 'TokenShift', 'PATT')),
    ('eva02', ('VPT', 'TemporalAdaptation', 'PATT')),
    ('timesformer', ('TIA', 'VPT', 'STAdapter')),
    ('mvit', ('TIA', 'VPT', 'STAdapter')),
    ('uniformerv2', ('TIA', 'VPT', 'STAdapter')),
    ('hf_dinov3', ('VPT', 'TokenShift')),
    ('hf_vjepa2', ('VPT', 'STAdapter', 'TemporalAttention', 'ProTuning')),
])
def test_what_would_mix_samples_is_refused(backbone, refused):
    assert not [c for c in CASES if c[0] == backbone and c[1] in refused]


@every_case
def test_starts_as_promised(backbone, adapter, site):
    view = build(backbone, adapter, site).eval()
    x = samples(backbone)
    same = torch.allclose(view(x), bare(backbone, x), atol=1e-5)
    assert same == OPTIONS[adapter][1]


@every_case
def test_samples_stay_apart(backbone, adapter, site):
    view = build(backbone, adapter, site).eval()
    x = samples(backbone)
    view(x)  # what is measured once is measured
    stir(view)
    rows = T if any(a.images_per_clip for a in view.modules()
                    if isinstance(a, Adapter)) else 1
    before = view(x)
    x[rows:] = torch.randn_like(x[rows:])
    torch.testing.assert_close(view(x)[:rows], before[:rows])


@every_case
def test_gradients_and_keys(backbone, adapter, site):
    torch.manual_seed(1)
    plain = build(backbone, adapter, site)
    recomputing = build(backbone, adapter, site, with_cp=True)
    own = {id(t) for t in frozen(backbone).module.parameters()}
    stir(plain)
    x = samples(backbone)
    plain(x)
    recomputing.load_state_dict(plain.state_dict())
    assert set(recomputing.state_dict()) == set(plain.state_dict())
    assert [n for n, _ in recomputing.named_parameters()
            ] == [n for n, _ in plain.named_parameters()]
    gradients = []
    weights = torch.randn_like(plain(x))
    for view in (plain, recomputing):
        if any(p.requires_grad for p in view.parameters()):
            (weights * view(x)).sum().backward()
        gradients.append({n: p.grad for n, p in view.named_parameters()})
    for name, parameter in plain.named_parameters():
        one, two = (g[name] for g in gradients)
        if id(parameter) in own:
            assert one is None and two is None, name
        else:
            assert one.any(), name
            torch.testing.assert_close(one, two, msg=name)


@every_case
def test_saves_merges_and_strips(backbone, adapter, site):
    view = build(backbone, adapter, site).eval()
    x = samples(backbone)
    view(x)
    stir(view)
    expected = view(x)
    small = view.state_dict()
    trained = {n for n, p in view.named_parameters() if p.requires_grad}
    extra = {n for n in small if n.endswith('amplitude')}
    assert set(small) == trained | extra | {'frozen_backbone'}
    # the small file, and one with everything on other weights
    again = build(backbone, adapter, site).eval()
    again.load_state_dict(small)
    torch.testing.assert_close(again(x), expected)
    cfg = copy.deepcopy(BACKBONES[backbone][0])
    cfg['init_cfg'] = dict(type='RandomWeights', seed=5)
    other = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=cfg,
            adapters=[dict(type=adapter, site=site,
                           **OPTIONS[adapter][0])])).eval()
    tensors = dict(tensors_of(view))
    whole = {**{n: tensors[n] for n in view.frozen_names()}, **small}
    other.load_state_dict(whole)
    torch.testing.assert_close(other(x), expected)
    # without its adapters it is the frozen network
    torch.testing.assert_close(strip(view)(x), bare(backbone, x))


@every_case
def test_folds_or_says_why(backbone, adapter, site):
    view = build(backbone, adapter, site).eval()
    x = samples(backbone)
    view(x)
    stir(view)
    expected = view(x)
    where = f'{adapter} at site={site!r} of {type(view.base).__name__}'
    try:
        fold(view)
    except ValueError as error:
        assert str(error).startswith(where)
        folds = adapter in FOLDING
        assert not folds or 'the layer has no bias' in str(error)
    else:
        left = {type(m).__name__ for m in view.modules() if type(m) in KINDS}
        assert left == (set() if adapter in FOLDING else {adapter})
        assert adapter in FOLDING + STAYING
        # Norms behind a branch, as in Swin V2, enlarge what single precision
        # rounds; in double precision see below.
        assert (view(x) - expected).norm() / expected.norm() < 1e-4


# Where each stands, the inner ones first; as in ZeroI2V, and as in SSF.
EVERYTHING = [
    *(dict(type='DoRA', site=s, rank=2) for s in ('proj', 'fc2')),
    *(dict(type='LoRA', site=s, rank=2)
      for s in ('qkv', 'q', 'v', 'proj', 'fc1', 'fc2')),
    dict(type='LoRA', site='qkv', rank=3, on='k'),
    *(dict(type='SSF', site=s)
      for s in ('qkv', 'q', 'k', 'v', 'proj', 'fc1', 'fc2', 'norm1', 'norm2')),
    *(dict(type='PreAdapter', site=s, width=4, scale=0.5, act_cfg=None)
      for s in ('qkv', 'v', 'fc1')),
    *(dict(type='SerialAdapter', site=s, width=4, scale=0.5, act_cfg=None)
      for s in ('proj', 'fc2')),
    dict(type='ParallelAdapter', site='proj', width=4, act_cfg=None),
]
NEEDS_BIAS = ('SSF', 'PreAdapter')
# Projections without one.
WITHOUT_BIAS = dict(
    videomae=('qkv', ),
    timm_dinov3=('qkv', ),
    timm_eva02=('k', ),
    hf_dinov3=('k', ))
QKV, SEPARATE = ('qkv', ), ('q', 'k', 'v')
THREE = ('timm_eva02', 'hf_dinov2', 'hf_dinov3', 'hf_siglip', 'hf_siglip2',
         'hf_vjepa2')
NONE_TO_CALL = ('timm_swinv2', 'swinv2', 'beit', 'timesformer', 'mvit',
                'uniformerv2')
ABSENT = dict(
    timm_eva02=('fc1', ),
    timm_swinv2=('norm1', 'norm2'),
    swinv2=('norm1', 'norm2'),
    eva02=('fc1', 'fc2'),
    timesformer=('proj', ),
    mvit=('proj', 'norm1'),
    uniformerv2=('proj', ))


def absent(backbone: str) -> tuple:
    """Linear layers and norms that are no sites of a backbone."""
    projections = QKV if backbone in THREE else SEPARATE
    if backbone in NONE_TO_CALL:
        projections = QKV + SEPARATE
    return projections + ABSENT.get(backbone, ())


def everything(backbone: str) -> list:
    """Whatever folds, at all places that a backbone has."""
    without_bias = WITHOUT_BIAS.get(backbone, ())
    return [
        a for a in EVERYTHING if a['site'] not in absent(backbone)
        and not (a['type'] in NEEDS_BIAS and a['site'] in without_bias)
    ]


@pytest.mark.parametrize('backbone', BACKBONES)
def test_everything_folds(backbone):
    """Layer by layer and whole, the folded network is the bare one."""
    adapters = everything(backbone)
    cfg = dict(
        type='AdaptedBackbone',
        backbone=BACKBONES[backbone][0],
        adapters=adapters)
    view = MODELS.build(cfg).double().eval()
    stir(view)
    x = samples(backbone).double()
    sites = {a['site'] for a in adapters}
    row = sites_of(view.base)

    def layers() -> dict:
        found = {}
        for parent, name in blocks_of(view.base):
            block = getattr(parent, name)
            for site in sites:
                holder, leaf = resolve(block, row.places[site].path)
                if hasattr(holder, leaf):
                    found[id(block), site] = getattr(holder, leaf)
        return found

    before, expected = layers(), view(x)
    tokens = {
        key:
        torch.randn(4, unwrapped(m).weight.shape[-1], dtype=torch.float64)
        for key, m in before.items()
    }
    wanted = {key: m(tokens[key]) for key, m in before.items()}
    fold(view)
    for key, layer in layers().items():
        assert type(layer) is type(unwrapped(before[key]))
        torch.testing.assert_close(
            layer(tokens[key]), wanted[key], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(view(x), expected, rtol=1e-10, atol=1e-10)

    bare = MODELS.build(dict(cfg, adapters=[]))
    assert [(n, type(m)) for n, m in view.base.named_modules()
            ] == [(n, type(m)) for n, m in bare.base.named_modules()]
    assert {
        n: t.shape
        for n, t in tensors_of(view.base)
    } == {
        n: t.shape
        for n, t in tensors_of(bare.base)
    }


@pytest.mark.parametrize('backbone', ['vit', 'swin'])
def test_folds_in_single_precision(backbone):
    cfg = dict(
        type='AdaptedBackbone',
        backbone=BACKBONES[backbone][0],
        adapters=everything(backbone))
    view = MODELS.build(cfg).eval()
    stir(view)
    x = samples(backbone)
    expected = view(x)
    fold(view)
    error = (view(x) - expected).norm() / expected.norm()
    assert error < 1e-4


def test_what_stands_inside_keeps_it_from_folding():
    adapters = [
        dict(type='SerialAdapter', site='proj', width=4),
        dict(type='LoRA', site='proj')
    ]
    view = MODELS.build(
        dict(type='AdaptedBackbone', backbone=VIT, adapters=adapters))
    with pytest.raises(ValueError, match="SerialAdapter at site='proj'.*GELU"):
        fold(view)
    adapters = [
        dict(type='TokenShift', site='qkv', num_frames=T, num_heads=2),
        dict(type='LoRA', site='qkv')
    ]
    view = MODELS.build(
        dict(type='AdaptedBackbone', backbone=VIT, adapters=adapters))
    with pytest.raises(ValueError, match='LoRA.*wraps a TokenShift'):
        fold(view)


@every_case
def test_wrong_checkpoints_are_refused(backbone, adapter, site):
    view = build(backbone, adapter, site)
    good = view.state_dict()
    for name in [n for n in good if n != 'frozen_backbone'][:2]:
        for wrong in ({
                k: v
                for k, v in good.items() if k != name
        }, {
                **good, name: torch.zeros(7, 5)
        }):
            with pytest.raises(ValueError, match=re.escape(name)):
                view.load_state_dict(wrong, strict=False)
    with pytest.raises(ValueError, match='base.extra'):
        view.load_state_dict({
            **good, 'base.extra': torch.zeros(1)
        },
                             strict=False)


# Attention that is no softmax over tokens, or is not in the table.
WITHOUT_PICTURES = ('dualformer', 'timm_swinv2', 'timm_hiera', 'swinv2',
                    'beit', 'eva02', 'timesformer', 'mvit', 'uniformerv2')


@every_case
def test_pictures(backbone, adapter, site):
    view = build(backbone, adapter, site)
    x = samples(backbone)
    try:
        maps = attention_maps(view, x, 0)
    except ValueError as error:
        assert type(view.base).__name__ in str(error)
        assert backbone.startswith(WITHOUT_PICTURES)
    else:
        assert maps.isfinite().all() and len(maps) == len(x)


def test_a_scaled_branch_is_the_site():
    """With LayerScale, an adapter's gradient is not scaled by 1e-5."""
    scaled = dict(vit=VIT, layer_scale=BACKBONES['layer_scale'][0])
    for name in ('timm_vit', 'timm_dinov3'):
        scaled[name] = dict(BACKBONES[name][0], init_values=1e-5)
    for name in ('hf_dinov2', 'hf_dinov3'):
        scaled[name] = dict(BACKBONES[name][0], layerscale_value=1e-5)
    for site in ('attn', 'mlp'):
        grads = []
        for cfg in scaled.values():
            view = MODELS.build(
                dict(
                    type='AdaptedBackbone',
                    backbone=cfg,
                    adapters=[
                        dict(type='ParallelAdapter', site=site, width=4)
                    ]))
            torch.manual_seed(1)
            out = view(torch.randn(2 * T, 3, 32, 32))
            (out * torch.randn_like(out)).sum().backward()
            up = next(m for m in view.modules()
                      if isinstance(m, Adapter)).adapter.up
            grads.append(up.weight.grad.abs().mean())
        for grad in grads[1:]:
            assert 0.01 < grad / grads[0] < 100


@pytest.mark.parametrize('size', [32, 40, 64, 34])
@pytest.mark.parametrize('backbone', BACKBONES)
def test_sizes_are_tried_without_values(backbone, size):
    """What the network itself refuses, and what would be cut or filled."""
    module = frozen(backbone).module
    shape = (*BACKBONES[backbone][1][:-2], size, size)
    try:
        bare(backbone, torch.zeros(1, *shape))
    except Exception:
        with pytest.raises(ValueError, match=type(module).__name__):
            check_size(module, shape)
    else:
        patches = [
            m.stride[-1] for m in module.modules()
            if isinstance(m, (torch.nn.Conv2d, torch.nn.Conv3d))
            and m.stride == m.kernel_size and m.in_channels == 3
        ]
        if any(size % p for p in patches):
            with pytest.raises(ValueError, match='no multiple'):
                check_size(module, shape)
        else:
            check_size(module, shape)


def test_a_row_that_is_inherited_and_does_not_fit():

    class Another(MODELS.get('mmpretrain.VisionTransformer')):
        """Its blocks are written otherwise."""

        def __init__(self, **options):
            super().__init__(**options)
            for block in self.layers:
                block.mixer, block.attn = block.attn, None
                block.norm, block.ln1 = block.ln1, None
                del block.attn, block.ln1

    options = {k: v for k, v in VIT.items() if k not in ('type', 'init_cfg')}
    for site in ('attn', 'mlp'):
        with pytest.raises(ValueError, match='Another.*register_sites'):
            inject(
                Another(**options), [dict(type='ParallelAdapter', site=site)])
