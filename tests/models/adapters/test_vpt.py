"""VPT against Eq. 3 of the DualPath paper."""
import math

import pytest
import torch
from mmaction.registry import MODELS
from mmpretrain.models.utils import WindowMSA
from torch import nn

from mmdualpath.models.adapters import VPT, Site, WindowVPT
from mmdualpath.models.backbones import inject
from mmdualpath.models.sites.openmmlab import WINDOW_ATTENTION

C, K = 8, 3


def site(block=0, **kwargs):
    return Site('block', C, block, 3, 1, **kwargs)


class Mix(nn.Module):
    """Every token sees all others, as in attention."""

    def forward(self, x):
        return x * x.mean(1, keepdim=True) + x.cumsum(1)


def test_deep():
    h, vpt = torch.randn(2, 5, C), VPT(Mix(), site(), num_prompts=K)
    e = vpt.prompts.expand(2, K, C)
    expected = Mix()(torch.cat((e, h), 1))[:, K:]
    torch.testing.assert_close(vpt(h), expected)


def test_shallow():
    """Prompts enter at the first block and stay until the last."""
    h = torch.randn(2, 5, C)
    blocks = [VPT(Mix(), site(i), num_prompts=K, deep=False) for i in range(3)]
    e = blocks[0].prompts.expand(2, K, C)
    expected = Mix()(Mix()(Mix()(torch.cat((e, h), 1))))[:, K:]
    for block in blocks:
        h = block(h)
    torch.testing.assert_close(h, expected)
    assert [len(list(b.parameters())) for b in blocks] == [1, 0, 0]


def test_start():
    vpt = VPT(Mix(), site(), num_prompts=5000, patch_size=14)
    bound = math.sqrt(6 / (3 * 14**2 + C))
    assert 0.99 * bound < vpt.prompts.max() <= bound
    assert -bound <= vpt.prompts.min() < -0.99 * bound


def test_dropout_is_of_the_prompts():
    vpt = VPT(nn.Identity(), site(), num_prompts=K, dropout=1.)
    vpt.drops = False
    out = vpt(torch.ones(1, 2, C))
    assert not out[:, :K].any() and out[:, K:].all()


def test_blocks_between_may_be_left_out(tiny_clip):
    """Deep prompts in some blocks alone."""
    tiny_clip.pop('init_cfg')
    backbone = MODELS.build(tiny_clip)
    inject(backbone, [dict(type='VPT', site='block', blocks=[0, -1])])
    prompted = [hasattr(b, 'prompts') for b in backbone.layers]
    assert prompted == [True, False, True]
    assert backbone(torch.randn(1, 3, 32, 32))[-1].shape == (1, 24)


@pytest.mark.parametrize('kwargs, match', [
    (dict(site=Site('mlp', C, 0, 3, 1)), "site='mlp'"),
    (dict(site=site(windows=True)), 'windows'),
    (dict(site=site(), num_prompts=0), 'num_prompts=0'),
])
def test_mistakes(kwargs, match):
    with pytest.raises(ValueError, match=match):
        VPT(Mix(), **kwargs)


def test_in_windows_of_one_image(tiny_clip):
    """In a ViT, prompts behind the LayerNorm are those in front of it."""
    tiny_clip.pop('init_cfg')
    backbone = MODELS.build(tiny_clip)
    other = MODELS.build(tiny_clip)
    other.load_state_dict(backbone.state_dict())
    inject(backbone, [dict(type='VPT', site='block', num_prompts=K)])
    inject(other, [dict(type='WindowVPT', site='msa', num_prompts=K)])
    for ours, theirs in zip(other.layers, backbone.layers):
        ours.attn.prompts.data = ours.ln1(theirs.prompts)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(
        other(x)[-1], backbone(x)[-1], rtol=1e-4, atol=1e-4)


def test_in_windows():
    """Every window attends to the same prompts, without a position bias."""
    heads, tokens = 2, 4
    base = WindowMSA(C, (2, 2), heads)
    nn.init.normal_(base.relative_position_bias_table)
    site = Site('msa', C, 0, 1, 0, layout=WINDOW_ATTENTION)
    vpt = WindowVPT(base, site, num_prompts=K)
    x = torch.randn(6, tokens, C)  # windows of three images, two each
    mask = torch.randn(2, tokens, tokens)
    h = torch.cat((vpt.prompts.expand(6, K, C), x), 1)
    q, k, v = (
        t.unflatten(-1, (heads, -1)).transpose(1, 2)
        for t in base.qkv(h).chunk(3, -1))
    table = base.relative_position_bias_table[base.relative_position_index]
    weights = q[:, :, K:] @ k.mT * (C // heads)**-0.5
    weights[..., K:] += table.permute(2, 0, 1) + mask.repeat(3, 1, 1)[:, None]
    y = (weights.softmax(-1) @ v).transpose(1, 2).flatten(2)
    torch.testing.assert_close(
        vpt(x, mask), base.proj(y), rtol=1e-4, atol=1e-5)
