"""PATT and prefix-tuning against attention written out from the equations."""
import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import nn

from mmdualpath.models.adapters import PATT, AttentionAdapter, Site
from mmdualpath.models.backbones import AdaptedBackbone
from mmdualpath.models.sites import locate

RANDOM = dict(type='RandomWeights')
SWIN_ARCH = dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4])
BACKBONES = dict(
    vit=dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=48, num_layers=3, num_heads=4, feedforward_channels=96),
        img_size=32,
        patch_size=8,
        init_cfg=RANDOM),
    videomae=dict(
        type='VisionTransformer',
        img_size=32,
        patch_size=8,
        embed_dims=48,
        depth=3,
        num_heads=4,
        mlp_ratio=2,
        num_frames=4,
        init_cfg=RANDOM),
    swin=dict(
        type='mmpretrain.SwinTransformer',
        arch=SWIN_ARCH,
        img_size=32,
        patch_size=2,
        window_size=4,
        drop_path_rate=0.,
        out_indices=(1, ),
        init_cfg=RANDOM),
    vswin=dict(
        type='SwinTransformer3D',
        arch=SWIN_ARCH,
        patch_size=(2, 4, 4),
        window_size=(2, 4, 4),
        drop_path_rate=0.,
        pretrained2d=False,
        out_indices=(1, ),
        init_cfg=RANDOM))
# The map of Video Swin has 3 x 10 x 9 tokens: it is padded and shifted.
INPUTS = dict(
    vit=(2, 3, 32, 32),
    videomae=(2, 3, 4, 32, 32),
    swin=(2, 3, 32, 32),
    vswin=(2, 3, 6, 40, 36))
ADAPTERS = {
    'kv': [dict(type='PATT')],
    'q': [dict(type='PATT', on='q', scale=0.3)],
    'qkv': [dict(type='PATT', on='qkv', width=8)],
    'concat': [dict(type='PATT', concat=True)],
    'no z': [dict(type='PATT', num_tokens=40)],
    'prefix': [dict(type='PrefixTuning', num_tokens=5, width=8)],
    'prefix under PATT':
    [dict(type='PrefixTuning', num_tokens=5),
     dict(type='PATT', on='qk')],
    'concat over prefix':
    [dict(type='PrefixTuning', num_tokens=5),
     dict(type='PATT', concat=True)],
}


def at_msa(adapters: list) -> list:
    return [dict(a, site='msa') for a in adapters]


def attention_with(adapters: list, x: torch.Tensor, attn: nn.Module,
                   window: tuple, shift: tuple) -> torch.Tensor:
    """Attention of every token to every token of a map, written out.

    Tokens of another window get -inf, those of the same window that a shift
    brought together from opposite borders -100. ``x`` is ``(B, D, H, W, C)``,
    ``adapters`` go from the inside out.
    """
    batch, *size, dims = x.shape
    pad = [-s % w for s, w in zip(size, window)]
    z = F.pad(x, (0, 0, 0, pad[2], 0, pad[1], 0, pad[0]))
    full = torch.tensor(z.shape[1:4])
    z = z.roll([-s for s in shift], (1, 2, 3)).flatten(1, 3)
    at = torch.cartesian_prod(*map(torch.arange, full.tolist()))
    extent = torch.tensor(window)

    number, inside = at // extent, at % extent
    wrapped = at >= full - torch.tensor(shift)
    alike = [(t[:, None] == t[None]).all(-1) for t in (number, wrapped)]
    bias = torch.zeros(attn.num_heads, len(at), len(at))
    if hasattr(attn, 'relative_position_bias_table'):
        offset = inside[:, None] - inside[None] + extent - 1
        _, height, width = (2 * extent - 1).tolist()
        index = (offset[..., 0] * height + offset[..., 1]) * width \
            + offset[..., 2]
        bias = attn.relative_position_bias_table[index].permute(2, 0, 1)
    bias = bias.masked_fill(~alike[1], -100.)
    bias = bias.masked_fill(~alike[0], -torch.inf)

    weights = attn.qkv.weight.chunk(3)
    if hasattr(attn, 'q_bias'):
        biases = (attn.q_bias, torch.zeros(dims), attn.v_bias)
    else:
        biases = attn.qkv.bias.chunk(3)
    qkv = {n: z @ w.T + b for n, w, b in zip('qkv', weights, biases)}
    own_bias = bias
    front = {'k': [], 'v': []}
    for a in adapters:

        def mlp(y):
            y = torch.tanh(y @ a.down.weight.T + a.down.bias)
            return y @ a.up.weight.T + a.up.bias

        if isinstance(a, PATT) and a.concat:
            for name, part in zip('kv', (a.scale * mlp(z)).chunk(2, -1)):
                front[name].insert(0, part)
            bias = torch.cat((own_bias, bias), -1)
        elif isinstance(a, PATT):
            source = z
            if a.tokens is not None:
                number_inside = (inside[:, 0] * window[1] +
                                 inside[:, 1]) * window[2] + inside[:, 2]
                source = a.tokens[number_inside]
            parts = (a.scale * mlp(source)).chunk(len(a.on), -1)
            for name, part in zip(a.on, parts):
                qkv[name] = qkv[name] + part
        else:
            for name, part in zip('kv', mlp(a.tokens).chunk(2, -1)):
                front[name].insert(0, part.expand(batch, -1, -1))
            bias = F.pad(bias, (len(a.tokens), 0))
    q, k, v = (
        torch.cat(front.get(n, []) + [qkv[n]],
                  1).unflatten(-1, (attn.num_heads, -1)).transpose(1, 2)
        for n in 'qkv')
    scores = q @ k.transpose(-1, -2) / q.shape[-1]**0.5 + bias
    y = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    y = y @ attn.proj.weight.T + attn.proj.bias
    y = y.unflatten(1, full.tolist()).roll(shift, (1, 2, 3))
    return y[:, :size[0], :size[1], :size[2]]


def run_block(kind: str, block: nn.Module, x: torch.Tensor,
              backbone: nn.Module):
    """A block's attention and the reference's arguments."""
    if kind in ('vit', 'videomae'):
        y = block.attn(x)
        whole = (1, 1, x.shape[1])
        return y, x[:, None, None], whole, (0, 0, 0)
    if kind == 'swin':
        y = block.attn(x, (8, 8))
        shift = block.attn.shift_size
        return y, x.unflatten(1, (1, 8, 8)), (1, 4, 4), (0, shift, shift)
    from mmaction.models.backbones.swin import compute_mask
    grid = x.unflatten(1, (3, 10, 9))
    shift = (1, 2, 2)
    mask = compute_mask(4, 12, 12, (2, 4, 4), shift, x.device)
    return block.forward_part1(grid, mask), block.norm1(grid), \
        block.window_size, block.shift_size


@pytest.mark.parametrize('adapters', ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.parametrize('index', [0, 1])
def test_attention_is_that_of_the_equations(kind, adapters, index):
    backbone = MODELS.build({
        k: v
        for k, v in BACKBONES[kind].items() if k != 'init_cfg'
    })
    spot = locate(backbone, 'msa')[index]
    block = locate(backbone, 'block')[index].module
    attn = wrapped = spot.module
    for p in attn.parameters():
        nn.init.normal_(p, std=0.3)
    chain = []
    for cfg in adapters:
        wrapped = MODELS.build(dict(cfg, base=wrapped, site=spot.site))
        chain.append(wrapped)
    setattr(spot.parent, spot.name, wrapped)
    backbone.eval()

    tokens = dict(vit=17, videomae=32, swin=64, vswin=270)[kind]
    x = torch.randn(2, tokens, spot.site.dims)
    y, grid, window, shift = run_block(kind, block, x, backbone)
    expected = attention_with(chain, grid, attn, window, shift)
    if kind in ('swin', 'vswin'):
        assert any(shift) == bool(index)
    torch.testing.assert_close(
        y.flatten(1, -2), expected.flatten(1, -2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.parametrize('on', ['kv', 'q', 'qkv'])
def test_patt_of_scale_zero_is_the_frozen_network(kind, on):
    x = torch.randn(INPUTS[kind])
    cfg = dict(type='PATT', site='msa', on=on, scale=0.)
    frozen = AdaptedBackbone(BACKBONES[kind]).eval()
    adapted = AdaptedBackbone(BACKBONES[kind], [cfg]).eval()
    torch.testing.assert_close(adapted(x), frozen(x), rtol=1e-4, atol=1e-5)
    cfg['scale'] = 8.
    adapted = AdaptedBackbone(BACKBONES[kind], [cfg]).eval()
    assert not torch.allclose(adapted(x), frozen(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.parametrize('adapters', ['kv', 'concat', 'prefix'])
def test_every_attention_is_fused(kind, adapters, monkeypatch):
    calls = []
    fused = F.scaled_dot_product_attention

    def counting(*args, **kwargs):
        calls.append(args)
        return fused(*args, **kwargs)

    monkeypatch.setattr(F, 'scaled_dot_product_attention', counting)
    model = AdaptedBackbone(BACKBONES[kind], at_msa(ADAPTERS[adapters]))
    model(torch.randn(INPUTS[kind]))
    assert len(calls) == len(locate(model.base, 'block'))
    # The kernels of memory-efficient attention take four axes alone.
    assert all(t.dim() == 4 for call in calls for t in call)


@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.parametrize('adapters,names', [
    ('kv', ['down.bias', 'down.weight', 'up.bias', 'up.weight']),
    ('no z', ['down.bias', 'down.weight', 'tokens', 'up.bias', 'up.weight']),
    ('prefix', ['down.bias', 'down.weight', 'tokens', 'up.bias', 'up.weight']),
])
def test_exactly_the_adapters_train_and_are_saved(kind, adapters, names):
    model = AdaptedBackbone(BACKBONES[kind], at_msa(ADAPTERS[adapters]))
    row = dict(
        vit='layers.{}.attn',
        videomae='blocks.{}.attn',
        swin='stages.{}.blocks.{}.attn.w_msa',
        vswin='layers.{}.blocks.{}.attn')[kind]
    places = [(i, ) for i in range(3)] if kind in ('vit', 'videomae') else [
        (i, j) for i in range(2) for j in range(2)
    ]
    expected = {
        f'base.{row.format(*place)}.{name}'
        for place in places
        for name in names
    }
    assert {n for n, p in model.named_parameters() if p.requires_grad} \
        == expected
    assert set(model.state_dict()) == expected | {'frozen_backbone'}

    saved = {k: v.clone() for k, v in model.state_dict().items()}
    again = AdaptedBackbone(BACKBONES[kind], at_msa(ADAPTERS[adapters]))
    x = torch.randn(INPUTS[kind])
    assert not torch.allclose(again.eval()(x), model.eval()(x))
    again.load_state_dict(saved)
    torch.testing.assert_close(again(x), model(x))


@pytest.mark.parametrize('kind', BACKBONES)
@pytest.mark.parametrize('adapters', ['kv', 'concat', 'no z', 'prefix'])
def test_gradients_are_the_same_when_blocks_are_recomputed(kind, adapters):
    x = torch.randn(INPUTS[kind])
    grads = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        model = AdaptedBackbone(
            BACKBONES[kind], at_msa(ADAPTERS[adapters]), with_cp=with_cp)
        model(x).square().sum().backward()
        assert all(p.grad is None for p in model.parameters()
                   if not p.requires_grad)
        grads.append([p.grad for p in model.parameters() if p.requires_grad])
    assert all(g.abs().sum() > 0 for g in grads[0])
    for plain, recomputed in zip(*grads):
        torch.testing.assert_close(plain, recomputed, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('kind', BACKBONES)
def test_frozen_weights_may_be_stored_in_bfloat16(kind):
    x = torch.randn(INPUTS[kind])
    results = []
    for dtype in (None, 'bfloat16'):
        torch.manual_seed(0)
        model = AdaptedBackbone(
            BACKBONES[kind],
            at_msa(ADAPTERS['prefix under PATT']),
            frozen_dtype=dtype)
        with torch.autocast('cpu', torch.bfloat16):
            y = model(x)
        y.float().sum().backward()
        results.append(y.float())
    torch.testing.assert_close(*results, rtol=0.1, atol=0.1)


@pytest.mark.parametrize('kind', BACKBONES)
def test_models_compile_into_one_graph(kind):
    torch._dynamo.reset()
    model = AdaptedBackbone(BACKBONES[kind],
                            at_msa(ADAPTERS['prefix under PATT'])).eval()
    x = torch.randn(INPUTS[kind])
    compiled = torch.compile(model, fullgraph=True, backend='eager')
    torch.testing.assert_close(compiled(x), model(x))


def test_dropout_of_the_attention_is_kept():
    cfg = dict(BACKBONES['vswin'], attn_drop_rate=0.5)
    model = AdaptedBackbone(cfg, [dict(type='PATT', site='msa')])
    x = torch.randn(INPUTS['vswin'])
    assert not torch.allclose(model(x), model(x))
    model.eval()
    torch.testing.assert_close(model(x), model(x))


@pytest.mark.parametrize('cfg,message', [
    (dict(type='PATT', on='kx'), "on='kx'"),
    (dict(type='PATT', on=''), "on=''"),
    (dict(type='PATT', on='kk'), "on='kk'"),
    (dict(type='PATT', on='qk', concat=True), "on='qk' must be 'kv'"),
    (dict(type='PATT', concat=True, num_tokens=4), 'PrefixTuning'),
    (dict(type='PATT', width=0), 'width=0'),
    (dict(type='PATT', num_tokens=0), 'num_tokens=0'),
    (dict(type='PrefixTuning', num_tokens=0), 'num_tokens=0'),
    (dict(type='PATT', site='qkv'), "site='qkv'.*own the call"),
    (dict(type='PATT', site='mlp'), "site='mlp'.*own the call"),
])
def test_mistakes_are_told(cfg, message):
    with pytest.raises(ValueError, match=message):
        AdaptedBackbone(BACKBONES['vswin'], [dict(dict(site='msa'), **cfg)])


def test_a_wrapped_attention_is_refused():
    adapters = [
        dict(type='ParallelAdapter', site='attn'),
        dict(type='PATT', site='msa')
    ]
    with pytest.raises(ValueError, match='ParallelAdapter'):
        AdaptedBackbone(BACKBONES['vswin'], adapters)
    model = AdaptedBackbone(BACKBONES['vswin'], adapters[::-1])
    assert torch.isfinite(model(torch.randn(INPUTS['vswin']))).all()


def test_too_few_tokens_are_told():
    model = AdaptedBackbone(BACKBONES['vit'],
                            [dict(type='PATT', site='msa', num_tokens=16)])
    with pytest.raises(ValueError, match='17 tokens'):
        model(torch.randn(INPUTS['vit']))


def test_an_unknown_attention_is_refused():
    site = Site('msa', 8, 0, 1, 0)
    with pytest.raises(ValueError, match='no attention that is known'):
        AttentionAdapter(nn.MultiheadAttention(8, 2), site)
