"""Attention maps against softmax(q k^T) computed by hand."""
import copy
import math

import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.models.backbones import AdaptedBackbone
from mmdualpath.models.sites.geometry import window_index
from mmdualpath.visualization import (attention_maps, recorded, rollout,
                                      without_adapters)

IMAGES = (2, 3, 32, 32)


def by_hand(network, tokens, block, prompts=None):
    """softmax(q k^T / sqrt d) of a ViT block from its input."""
    layer = network.layers[block]
    if prompts is not None:
        tokens = torch.cat((prompts.expand(len(tokens), -1, -1), tokens), 1)
    x = layer.ln1(tokens)
    heads, dims = layer.attn.num_heads, x.shape[-1]
    qkv = x @ layer.attn.qkv.weight.T + layer.attn.qkv.bias
    q, k = (
        part.reshape(*x.shape[:2], heads, -1).transpose(1, 2)
        for part in (qkv[..., :dims], qkv[..., dims:2 * dims]))
    return (q @ k.transpose(-1, -2) / math.sqrt(dims // heads)).softmax(-1)


def streams(network, images):
    """Tokens in front of every block of a ViT, class token first."""
    tokens, _ = network.patch_embed(images)
    tokens = torch.cat((network.cls_token.expand(len(images), -1, -1), tokens),
                       1) + network.pos_embed
    tokens = network.pre_norm(tokens)
    out = []
    for layer in network.layers:
        out.append(tokens)
        tokens = layer(tokens)
    return out


@pytest.fixture
def view(tiny_clip):
    """A view whose adapters have been trained, to change something."""
    view = AdaptedBackbone(
        tiny_clip,
        adapters=[
            dict(type='ParallelAdapter', site='attn', width=8),
            dict(type='SerialAdapter', site='mlp', width=8)
        ],
        trainable=['cls_token'])
    return disturb(view)


def disturb(view):
    with torch.no_grad():
        for parameter in view.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return view.train(False)


@pytest.mark.parametrize('block', [0, 1, -1])
def test_class_token_of_a_vit(tiny_clip, block):
    view = AdaptedBackbone(tiny_clip)
    images = torch.randn(IMAGES)
    maps = attention_maps(view, images, block)
    assert maps.shape == (2, 4, 4, 4)  # heads, and 32 / 8 patches
    with torch.no_grad():
        network = view.base
        wanted = by_hand(network, streams(network, images)[block], block)
    torch.testing.assert_close(maps, wanted[:, :, 0, 1:].unflatten(-1, (4, 4)))


def test_adapters_are_seen(view):
    images = torch.randn(IMAGES)
    maps = attention_maps(view, images, 1)
    network = view.base
    with torch.no_grad():
        x = streams_of_adapted(network, images)
        qkv = network.layers[1].attn.base.qkv(x)
        q, k = (
            p.unflatten(-1, (4, -1)).transpose(1, 2)
            for p in qkv.chunk(3, -1)[:2])
        wanted = (q @ k.mT / q.shape[-1]**0.5).softmax(-1)[:, :, 0, 1:]
    torch.testing.assert_close(maps.flatten(2), wanted)


def streams_of_adapted(network, images):
    """What reaches the attention of the second block: LN of the first's."""
    tokens, _ = network.patch_embed(images)
    tokens = torch.cat((network.cls_token.expand(len(images), -1, -1), tokens),
                       1) + network.pos_embed
    return network.layers[1].ln1(network.layers[0](network.pre_norm(tokens)))


@pytest.mark.parametrize('adapter', [
    dict(type='VPT', site='block', num_prompts=3),
    dict(type='PrefixTuning', site='msa', num_tokens=3, width=8),
    dict(type='PATT', site='msa', width=8),
])
def test_prompts_and_prefixes(tiny_clip, adapter):
    view = disturb(AdaptedBackbone(tiny_clip, adapters=[adapter]))
    images = torch.randn(IMAGES)
    maps = attention_maps(view, images, 0).flatten(2)
    network = view.base
    bare = AdaptedBackbone(tiny_clip).base
    with torch.no_grad():
        tokens = streams(bare, images)[0]
        if adapter['type'] == 'VPT':
            full = by_hand(bare, tokens, 0, network.layers[0].prompts)
            wanted = full[:, :, 3, 4:]
        else:
            owner = network.layers[0].attn
            x = bare.layers[0].ln1(tokens)
            q, k, _ = (
                p.unflatten(-1, (4, -1)).transpose(1, 2)
                for p in bare.layers[0].attn.qkv(x).chunk(3, -1))
            made = owner.up(
                torch.tanh(
                    owner.down(x if adapter['type'] ==
                               'PATT' else owner.tokens)))
            made = made.chunk(2, -1)[0].unflatten(-1, (4, -1))
            if adapter['type'] == 'PATT':
                k = k + 0.8 * made.transpose(1, 2)
            else:
                k = torch.cat((made.transpose(0, 1).expand(2, -1, -1, -1), k),
                              2)
            weights = (q @ k.mT / q.shape[-1]**0.5).softmax(-1)
            wanted = weights[:, :, 0, -16:]
    torch.testing.assert_close(maps, wanted)


def test_recording_changes_nothing_and_leaves_no_trace(view):
    images = torch.randn(IMAGES)
    names = [name for name, _ in view.named_modules()]
    before = view(images)
    with recorded(view.base, range(3)) as blocks:
        torch.testing.assert_close(view(images), before, rtol=0, atol=0)
        assert all(b.attention.weights is not None for b in blocks.values())
    assert [name for name, _ in view.named_modules()] == names
    with pytest.raises(RuntimeError, match='stop'):
        with recorded(view.base, [0]):
            raise RuntimeError('stop')
    assert [name for name, _ in view.named_modules()] == names


def test_mode_is_restored(view):
    view.train(True)
    attention_maps(view, torch.randn(IMAGES))
    assert view.training and view.base.layers[0].training


def test_rollout_by_hand(tiny_clip):
    view = AdaptedBackbone(tiny_clip)
    images = torch.randn(IMAGES)
    maps = attention_maps(view, images, -1, roll=True)
    with torch.no_grad():
        network, product = view.base, torch.eye(17)
        for block, tokens in enumerate(streams(network, images)):
            mean = by_hand(network, tokens, block).mean(1)
            product = (0.5 * mean + 0.5 * torch.eye(17)) @ product
    assert maps.shape == (2, 1, 4, 4)
    torch.testing.assert_close(maps.flatten(1), product[:, 0, 1:])
    # Rows of a product of stochastic matrices sum to one.
    identity = rollout([torch.eye(5).expand(2, 3, 5, 5)] * 2)
    torch.testing.assert_close(identity, torch.eye(5).expand(2, 5, 5))


def shifted_windows(size, window, shift):
    """Window of every token of a map by arithmetic, not by rolling."""
    windows = {}
    across = math.ceil(size[1] / window)
    padded = [math.ceil(s / window) * window for s in size]
    for y in range(padded[0]):
        for x in range(padded[1]):
            v, u = (y + shift) % padded[0], (x + shift) % padded[1]
            number = v * size[1] + u if v < size[0] and u < size[1] else -1
            windows.setdefault(y // window * across + x // window,
                               []).append(number)
    return torch.tensor([windows[k] for k in sorted(windows)])


@pytest.mark.parametrize('size,window,shift', [((8, 8), 4, 0), ((8, 8), 4, 2),
                                               ((6, 7), 4, 2), ((4, 4), 4, 0)])
def test_window_index(size, window, shift):
    found = window_index(size, (window, ) * 2, (shift, ) * 2)
    wanted = shifted_windows(size, window, shift)
    # A window's tokens come row by row in both.
    torch.testing.assert_close(found, wanted)


def test_window_index_in_time():
    found = window_index((4, 2, 2), (2, 2, 2), (1, 0, 0))
    assert found.tolist() == [list(range(4, 12)), [12, 13, 14, 15, 0, 1, 2, 3]]


@pytest.mark.parametrize('block', [0, 1, 3])
def test_swin_by_hand(tiny_swin, block):
    """Mean over the queries; shifted windows with their mask."""
    view = AdaptedBackbone(tiny_swin)
    images = torch.randn(1, 3, 32, 32)
    maps = attention_maps(view, images, block)
    network, side = view.base, 16 if block < 2 else 8
    heads = 2 if block < 2 else 4
    assert maps.shape == (1, heads, side, side)
    # All tokens give one unit each to the tokens of their windows.
    torch.testing.assert_close(maps.sum((-1, -2)), torch.ones(1, heads))

    with torch.no_grad():
        x, size = network.patch_embed(images)
        stage = network.stages[block // 2]
        if block == 3:
            x, size = network.stages[0](x, size)
        if block % 2:
            x = stage.blocks[0](x, size)
        layer = stage.blocks[block % 2]
        wanted = dense_window_attention(layer.attn, layer.norm1(x), side, 4,
                                        2 * (block % 2))
    torch.testing.assert_close(
        maps.flatten(2), wanted.mean(-2)[None], rtol=1e-4, atol=1e-6)


def dense_window_attention(attn, x, side, window, shift):
    """Softmax over all pairs of tokens; those not in reach are left out."""
    heads = attn.w_msa.num_heads
    q, k = (
        p[0].unflatten(-1, (heads, -1)).transpose(0, 1)
        for p in attn.w_msa.qkv(x).chunk(3, -1)[:2])
    scores = q @ k.mT / q.shape[-1]**0.5
    place = torch.arange(side)
    rolled = (place - shift) % side  # where a row lies after the shift
    which, inside = rolled // window, rolled % window
    # After the roll, what came from the other end is another region.
    region = which * 2 + (rolled >= side - shift).long() if shift else which
    same = (region[:, None, None, None] == region[None, None, :, None]) & (
        region[None, :, None, None] == region[None, None, None, :])
    dy = inside[:, None, None, None] - inside[None, None, :, None]
    dx = inside[None, :, None, None] - inside[None, None, None, :]
    index = (dy + window - 1) * (2 * window - 1) + dx + window - 1
    near = same.expand(side, side, side, side).reshape(side**2, side**2)
    index = torch.where(
        near,
        index.expand(side, side, side, side).reshape(side**2, side**2), 0)
    bias = attn.w_msa.relative_position_bias_table[index].movedim(-1, 0)
    return (scores + bias).masked_fill(~near, -math.inf).softmax(-1)


def test_rollout_of_swin_stays_in_a_stage(tiny_swin):
    maps = attention_maps(
        AdaptedBackbone(tiny_swin), torch.randn(2, 3, 32, 32), roll=True)
    assert maps.shape == (2, 1, 8, 8)
    torch.testing.assert_close(maps.sum((-1, -2)), torch.ones(2, 1))


def test_video_swin_has_a_map_in_time():
    network = MODELS.build(
        dict(
            type='SwinTransformer3D',
            arch=dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4]),
            pretrained=None,
            pretrained2d=False,
            patch_size=(2, 4, 4),
            window_size=(2, 4, 4),
            out_indices=(1, )))
    maps = attention_maps(network, torch.randn(1, 3, 8, 32, 32), block=1)
    assert maps.shape == (1, 2, 4, 8, 8)
    torch.testing.assert_close(maps.sum((-1, -2, -3)), torch.ones(1, 2))


def test_without_adapters_is_the_pretrained_network(tiny_clip, view):
    images = torch.randn(IMAGES)
    fresh = AdaptedBackbone(tiny_clip).train(False)
    bare = without_adapters(view, tiny_clip)
    torch.testing.assert_close(bare(images)[-1], fresh(images))
    assert not torch.allclose(bare(images)[-1], view(images))


def test_without_adapters_follows_a_complete_checkpoint(tiny_clip, view):
    """Frozen tensors a checkpoint replaced are not those of the config."""
    other = copy.deepcopy(view)
    with torch.no_grad():
        other.base.ln1.weight.mul_(2)
    bare = without_adapters(other, tiny_clip)
    torch.testing.assert_close(bare.ln1.weight, other.base.ln1.weight)


@pytest.mark.parametrize('block', [3, -4])
def test_no_such_block(view, block):
    with pytest.raises(ValueError, match='3 blocks'):
        attention_maps(view, torch.randn(IMAGES), block)


def test_unknown_attention():
    network = MODELS.build(
        dict(
            type='mmpretrain.VisionTransformer',
            arch=dict(
                embed_dims=24,
                num_layers=1,
                num_heads=2,
                feedforward_channels=24),
            img_size=16,
            patch_size=8))
    network.layers[0].attn = torch.nn.Identity()
    with pytest.raises(ValueError, match='Identity.*knows MultiheadAttention'):
        attention_maps(network, torch.randn(1, 3, 16, 16))
