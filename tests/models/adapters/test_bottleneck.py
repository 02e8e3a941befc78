"""Eq. 7 and Eq. 9 on a whole transformer block, in plain torch."""
import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from mmdualpath.models.adapters import Bottleneck


def adapter(parameters, x):
    """up(GELU(down x)), from the tensors."""
    hidden = F.gelu(x @ parameters['down.weight'].T + parameters['down.bias'])
    return hidden @ parameters['up.weight'].T + parameters['up.bias']


def attention(block, x, heads=4):
    """Multi-head attention from a block's tensors."""
    q, k, v = (x @ block['qkv.weight'].T + block['qkv.bias']).chunk(3, -1)
    split = lambda t: t.unflatten(-1, (heads, -1)).transpose(1, 2)
    q, k, v = split(q), split(k), split(v)
    weights = (q @ k.transpose(-1, -2) / q.shape[-1]**0.5).softmax(-1)
    out = (weights @ v).transpose(1, 2).flatten(2)
    return out @ block['proj.weight'].T + block['proj.bias']


def mlp(block, x):
    hidden = x @ block['0.0.weight'].T + block['0.0.bias']
    hidden = hidden * torch.sigmoid(1.702 * hidden)
    return hidden @ block['1.weight'].T + block['1.bias']


def norm(block, x):
    return F.layer_norm(x, x.shape[-1:], block['weight'], block['bias'], 1e-5)


def tensors(module):
    return dict(module.named_parameters())


def adapted_block(tiny_clip, adapters):
    """A block whose adapters hold random values instead of zeros."""
    model = MODELS.build(
        dict(type='AdaptedBackbone', backbone=tiny_clip, adapters=adapters))
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.base.layers[1]


@torch.no_grad()
def test_spatial_block_is_equation_7(tiny_clip):
    block = adapted_block(tiny_clip, [
        dict(type='ParallelAdapter', site='attn', width=8),
        dict(type='ParallelAdapter', site='mlp', width=8)
    ])
    h = torch.randn(2, 17, 48)
    attn, ffn = block.attn, block.ffn.layers
    x = norm(tensors(block.ln1), h)
    z = h + attention(tensors(attn.base), x) + adapter(
        tensors(attn.adapter), x)
    x = norm(tensors(block.ln2), z)
    expected = z + mlp(tensors(ffn.base), x) + adapter(tensors(ffn.adapter), x)
    torch.testing.assert_close(block(h), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('skip', [True, False])
@pytest.mark.parametrize('pre', [True, False])
def test_temporal_block_is_equation_9(tiny_clip, skip, pre):
    adapters = [
        dict(type='SerialAdapter', site='attn', width=8, skip=skip),
        dict(type='SerialAdapter', site='mlp', width=8, skip=skip)
    ]
    if pre:
        adapters.insert(
            0, dict(type='PreAdapter', site='attn', width=8, skip=skip))
    block = adapted_block(tiny_clip, adapters)

    def serial(parameters, y):
        return skip * y + adapter(parameters, y)

    h = torch.randn(2, 17, 48)
    attn, ffn = block.attn, block.ffn.layers
    x = norm(tensors(block.ln1), h)
    mha = attn.base
    if pre:
        x, mha = serial(tensors(attn.base.adapter), x), attn.base.base
    z = h + serial(tensors(attn.adapter), attention(tensors(mha), x))
    x = norm(tensors(block.ln2), z)
    expected = z + serial(tensors(ffn.adapter), mlp(tensors(ffn.base), x))
    torch.testing.assert_close(block(h), expected, rtol=1e-4, atol=1e-4)


def test_initialisation():
    """Down is Kaiming-normal, up and biases are zero, act is GELU."""
    module = Bottleneck(512, 128)
    assert module.down.weight.std().item() == pytest.approx(
        (2 / 512)**0.5, rel=0.02)
    assert not any(
        p.any() for p in (module.down.bias, module.up.weight, module.up.bias))
    assert isinstance(module.act, torch.nn.GELU)
    assert sum(p.numel() for p in Bottleneck(768).parameters()) == 197_504
    assert sum(p.numel() for p in Bottleneck(1024).parameters()) == 263_296


@pytest.mark.parametrize('init, bound, std, up', [
    ('kaiming_normal', None, (2 / 512)**0.5, 0.),
    ('kaiming_uniform', 512**-0.5, (1 / 3 / 512)**0.5, 0.),
    ('trunc_normal', None, 0.02, 0.02),
])
def test_initialisation_of_the_releases(init, bound, std, up):
    """AdaptFormer's and DualPath's code; on videos ``up`` is drawn as well."""
    module = Bottleneck(512, 128, init=init)
    assert module.down.weight.std().item() == pytest.approx(std, rel=0.02)
    if bound:
        largest = module.down.weight.abs().max().item()
        assert 0.99 * bound < largest <= bound
    assert module.up.weight.std().item() == pytest.approx(up, rel=0.02)
    assert not any(layer.bias.any() for layer in (module.down, module.up))


@pytest.mark.parametrize('init, message', [
    ('xavier', "init='xavier' is none of kaiming_normal, kaiming_uniform"),
    (None, 'Bottleneck: init=None must be str'),
])
def test_an_unknown_initialisation(init, message):
    with pytest.raises(ValueError, match=message):
        Bottleneck(48, init=init)


def test_a_bottleneck_has_a_width():
    with pytest.raises(ValueError, match='width=0'):
        Bottleneck(48, 0)
