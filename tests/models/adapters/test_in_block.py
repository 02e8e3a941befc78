"""Adapters in a whole block of a ViT against their equations."""
import copy

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from mmdualpath.models.backbones import inject
from mmdualpath.models.sites import locate

S = 0.1


def layer_norm(x, norm):
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)


def attention(x, attn):
    heads = attn.num_heads
    q, k, v = F.linear(x, attn.qkv.weight, attn.qkv.bias).chunk(3, -1)
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    weights = (q @ k.mT / q.shape[-1]**0.5).softmax(-1)
    out = (weights @ v).transpose(1, 2).flatten(2)
    return F.linear(out, attn.proj.weight, attn.proj.bias)


def mlp(x, ffn):
    first, last = ffn.layers[0][0], ffn.layers[1]
    x = F.linear(x, first.weight, first.bias)
    return F.linear(x * torch.sigmoid(1.702 * x), last.weight, last.bias)


def bottleneck(x, adapter, act=F.relu):
    x = act(F.linear(x, adapter.down.weight, adapter.down.bias))
    return F.linear(x, adapter.up.weight, adapter.up.bias)


@pytest.fixture
def blocks(tiny_clip):
    """A block, and the same block for adapters to be attached to."""
    tiny_clip.pop('init_cfg')
    backbone = MODELS.build(tiny_clip).double()
    bare = MODELS.build(tiny_clip).double()
    bare.load_state_dict(backbone.state_dict())

    def adapted(*adapters):
        inject(backbone, adapters)
        backbone.double()
        for name, p in backbone.named_parameters():
            if 'adapter.' in name:
                torch.nn.init.normal_(p, std=0.1)
        return backbone.layers[1]

    return bare.layers[1], adapted


@pytest.mark.parametrize('site', ['mlp', 'norm_mlp', 'residual_mlp'])
def test_adaptformer(blocks, site):
    """Eq. 4, and the release, whose adapter reads z instead of LN z."""
    bare, adapted = blocks
    block = adapted(
        dict(
            type='ParallelAdapter',
            site=site,
            width=6,
            scale=S,
            act_cfg=dict(type='ReLU')))
    wrapper = block.ffn if site == 'residual_mlp' else block.ffn.layers
    h = torch.randn(2, 17, 48, dtype=torch.float64)
    z = h + attention(layer_norm(h, bare.ln1), bare.attn)
    reads = layer_norm(z, bare.ln2) if site == 'mlp' else z
    expected = z + mlp(layer_norm(z, bare.ln2), bare.ffn) \
        + S * bottleneck(reads, wrapper.adapter)
    torch.testing.assert_close(block(h), expected)


def test_adapter(blocks):
    """Serial, with an inner skip, behind attention and MLP."""
    bare, adapted = blocks
    block = adapted(
        dict(type='SerialAdapter', site='attn', width=6),
        dict(type='SerialAdapter', site='mlp', width=6))
    h = torch.randn(2, 17, 48, dtype=torch.float64)
    y = attention(layer_norm(h, bare.ln1), bare.attn)
    z = h + y + bottleneck(y, block.attn.adapter, F.gelu)
    y = mlp(layer_norm(z, bare.ln2), bare.ffn)
    expected = z + y + bottleneck(y, block.ffn.layers.adapter, F.gelu)
    torch.testing.assert_close(block(h), expected)


def test_st_adapter(blocks):
    """The residual connection carries the adapted stream, z' not z."""
    bare, adapted = blocks
    block = adapted(
        dict(type='STAdapter', site='residual_mlp', num_frames=1, width=6))
    h = torch.randn(2, 17, 48, dtype=torch.float64)
    z = h + attention(layer_norm(h, bare.ln1), bare.attn)
    a = block.ffn.adapter
    y = F.linear(z[:, 1:], a.down.weight, a.down.bias)
    y = y * a.conv.weight[:, 0, 1, 0, 0] + a.conv.bias  # a clip of one frame
    z[:, 1:] += F.linear(y, a.up.weight, a.up.bias)
    expected = z + mlp(layer_norm(z, bare.ln2), bare.ffn)
    torch.testing.assert_close(block(h), expected)


def test_the_residual_stream_is_opened_once(blocks):
    bare, adapted = blocks
    cfg = dict(type='ParallelAdapter', site='residual_mlp', width=6)
    block = adapted(cfg, cfg)
    h = torch.randn(2, 17, 48, dtype=torch.float64)
    z = h + attention(layer_norm(h, bare.ln1), bare.attn)
    expected = z + mlp(layer_norm(z, bare.ln2), bare.ffn) + sum(
        bottleneck(z, a, F.gelu)
        for a in (block.ffn.adapter, block.ffn.base.adapter))
    torch.testing.assert_close(block(h), expected)


SWIN = dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4])
# Config, what it reads, and the norm in front of a block's MLP.
STREAMS = dict(
    vit=(dict(
        type='mmpretrain.VisionTransformer',
        arch=dict(
            embed_dims=48, num_layers=2, num_heads=4, feedforward_channels=96),
        img_size=32,
        patch_size=8,
        layer_scale_init_value=0.5), (2, 3, 32, 32), 'ln2'),
    swin=(dict(
        type='mmpretrain.SwinTransformer',
        arch=SWIN,
        img_size=32,
        patch_size=2,
        window_size=4,
        out_indices=(1, )), (2, 3, 32, 32), 'norm2'),
    video_swin=(dict(
        type='SwinTransformer3D',
        arch=SWIN,
        patch_size=(2, 4, 4),
        window_size=(2, 4, 4),
        pretrained2d=False,
        out_indices=(1, )), (2, 3, 4, 32, 32), 'norm2'),
    videomae=(dict(
        type='mmaction.VisionTransformer',
        img_size=32,
        patch_size=8,
        embed_dims=48,
        depth=2,
        num_heads=4,
        mlp_ratio=2,
        num_frames=4), (2, 3, 4, 32, 32), 'norm2'),
    dualformer=(dict(
        type='DualFormer',
        arch=dict(embed_dims=16, num_heads=2, depths=(2, 2)),
        window=(2, 4, 4),
        fine_sizes=((2, 2, 2), (2, 2, 2)),
        coarse_kernels=(None, None)), (2, 3, 8, 32, 32), 'norm2'))


@pytest.mark.parametrize('kind', STREAMS)
@torch.no_grad()
def test_the_stream_in_front_of_the_mlp(kind):
    """``norm_mlp``: z + MLP(LN z) + Adapter(z), whatever the block is."""
    cfg, shape, norm = STREAMS[kind]
    bare = MODELS.build(cfg)
    bare.init_weights()
    network = copy.deepcopy(bare)
    inject(network, [dict(type='ParallelAdapter', site='norm_mlp', width=6)])
    adapters = [m.adapter for m in network.modules() if hasattr(m, 'adapter')]
    spots = locate(bare, 'norm_mlp')
    assert len(spots) == len(adapters) > 1
    streams = {}
    for spot, adapter in zip(spots, adapters):
        torch.nn.init.normal_(adapter.up.weight)

        def see(norm, inputs, block=spot.block):
            streams[block] = inputs[0]

        def add(block, inputs, output, adapter=adapter):
            return output + bottleneck(streams[block], adapter, F.gelu)

        getattr(spot.block, norm).register_forward_pre_hook(see)
        spot.block.register_forward_hook(add)
    for net in (bare, network):
        net.train(False)
    x = torch.randn(shape)
    out, wanted = ([y] if torch.is_tensor(y) else y
                   for y in (network(x), bare(x)))
    torch.testing.assert_close(out[-1], wanted[-1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize('sites', [('norm_mlp', 'mlp'),
                                   ('norm_mlp', 'residual_mlp'),
                                   ('residual_mlp', 'norm_mlp')])
def test_one_norm_belongs_to_one_site(blocks, sites):
    """Otherwise an adapter would read what its site does not say."""
    _, adapted = blocks
    with pytest.raises(ValueError, match=f'{sites[1]}.*the norm in front'):
        adapted(*(dict(type='ParallelAdapter', site=s, width=6)
                  for s in sites))


def test_the_stream_first_where_it_holds_the_rest(blocks):
    """``residual_mlp`` holds the MLP, which still reads LN z."""
    bare, adapted = blocks
    block = adapted(*(dict(type='ParallelAdapter', site=s, width=6)
                      for s in ('residual_mlp', 'mlp')))
    h = torch.randn(2, 17, 48, dtype=torch.float64)
    z = h + attention(layer_norm(h, bare.ln1), bare.attn)
    y = layer_norm(z, bare.ln2)
    inner = block.ffn.base.branch.layers
    expected = z + mlp(y, bare.ffn) + bottleneck(
        y, inner.adapter, F.gelu) + bottleneck(z, block.ffn.adapter, F.gelu)
    torch.testing.assert_close(block(h), expected)


def test_normalised_tokens_first(blocks):
    bare, adapted = blocks
    block = adapted(*(dict(type='ParallelAdapter', site=s, width=6)
                      for s in ('mlp', 'norm_mlp')))
    h = torch.randn(2, 17, 48, dtype=torch.float64)
    z = h + attention(layer_norm(h, bare.ln1), bare.attn)
    outer = block.ffn.layers
    inner = outer.base.branch
    y = layer_norm(z, bare.ln2)
    expected = z + mlp(y, bare.ffn) + bottleneck(
        y, inner.adapter, F.gelu) + bottleneck(z, outer.adapter, F.gelu)
    torch.testing.assert_close(block(h), expected)


def test_backbones_without_the_site_say_so(tiny_clip):
    tiny_clip.pop('init_cfg')
    with pytest.raises(ValueError, match='residual_mlp'):
        locate(MODELS.build(tiny_clip), 'residual_attn')
