"""Rows of timm's backbones, by name: timm itself is not imported."""
import math
from typing import Any, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import Layout, Rotate
from .geometry import Windows
from .openmmlab import WINDOW_ATTENTION
from .rows import CHANGES, Place, Sites, register_sites
from .site import Site, Stem, Stream, square


def _map_to_tokens(out: Tensor) -> Tuple[Tensor, Tuple[int, int]]:
    """The patches of ``TimmBackbone``, a map ``(B, h, w, C)``."""
    return out.flatten(1, 2), (out.shape[1], out.shape[2])


def _prefix_tokens(backbone: nn.Module) -> int:
    return backbone.num_prefix_tokens


def _unplaced_tokens(backbone: nn.Module) -> int:
    return 0 if backbone.no_embed_class else backbone.num_prefix_tokens


def _is_plain(attn: nn.Module) -> bool:
    """No gate, and as many heads for keys as for queries."""
    return attn.gate is None and getattr(attn, 'num_kv_groups', 1) == 1


def _qkv(attn: nn.Module, x: Tensor) -> Tensor:
    """Whatever way the three projections and their biases are kept."""
    if attn.qkv is None:
        return torch.cat((attn.q_proj(x), attn.k_proj(x), attn.v_proj(x)), -1)
    if getattr(attn, 'q_bias', None) is None:
        return attn.qkv(x)
    bias = torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))
    return F.linear(x, attn.qkv.weight, bias)


def _rotate(attn: nn.Module,
            rope: Optional[Tensor] = None,
            **kwargs: Any) -> Rotate:
    """Norms of queries and keys, and rotary positions of the patches."""
    extra = getattr(attn, 'num_prefix_tokens', 0)
    half = getattr(attn, 'rotate_half', False)

    def turn(x: Tensor) -> Tensor:
        if rope is None:
            return x
        from timm.layers.pos_embed_sincos import apply_rot_embed_cat
        patches = apply_rot_embed_cat(x[:, :, extra:], rope, half=half)
        return torch.cat((x[:, :, :extra], patches), 2).type_as(x)

    return lambda q, k: (turn(attn.q_norm(q)), turn(attn.k_norm(k)))


ATTENTION = Layout(
    ('Attention', 'EvaAttention', 'AttentionRope'),
    when=_is_plain,
    qkv=_qkv,
    rotate=_rotate,
    project=lambda attn, y: attn.proj_drop(attn.proj(attn.norm(y))))


def _calls_qkv(block: nn.Module) -> bool:
    attn = block.attn
    if attn.qkv is None or not _is_plain(attn):
        return False
    return getattr(attn, 'q_bias', None) is None or attn.qkv_bias_separate


def _is_separate(block: nn.Module) -> bool:
    return block.attn.qkv is None


def _calls_window_qkv(block: nn.Module) -> bool:
    attn = block.attn
    return attn.q_bias is None or attn.qkv_bias_separate


def _keeps(block: nn.Module) -> bool:
    """Whether a block of Hiera pools nothing and stays as wide."""
    return block.dim == block.dim_out and block.attn.q_stride == 1


def _rolled(backbone: nn.Module, site: Site, out: Tensor) -> Tensor:
    """Tokens of a block of Hiera, row by row."""
    return backbone.reroll(out, site.block).flatten(1, -2)


def _unrolled(backbone: nn.Module, site: Site, tokens: Tensor,
              out: Tensor) -> Tensor:
    """Tokens in the order of the mask units behind a block."""
    number = torch.arange(tokens.shape[1], device=tokens.device)
    order = _rolled(backbone, site, number[None, :, None]).flatten()
    return tokens[:, order.argsort()]


def _pooled(backbone: nn.Module, site: Site, x: Tensor) -> Tensor:
    _, size = backbone.reroll.schedule[site.block]
    return x.new_zeros(len(x), math.prod(size), site.dims)


def _cut(block: nn.Module,
         size: Tuple[int, ...]) -> Tuple[Sequence[int], Sequence[int]]:
    if any(s % w for s, w in zip(size, block.window_size)):
        raise ValueError(f'A map of {tuple(size)} is no multiple of the '
                         f'windows {tuple(block.window_size)} of '
                         f'{type(block).__name__}, which pads what it has '
                         'shifted: there is no picture of it.')
    return block.window_size, block.shift_size


# The model reads attributes of patch_embed, which therefore stays; its norm,
# if only the identity, is the last that patches pass there.
STEM = Stem(
    'patch_embed.norm',
    unpack=_map_to_tokens,
    pack=lambda tokens, out: tokens.reshape(out.shape))
ONE_QKV = 'its attention has one projection to q, k and v'
NO_QKV = 'its attention does not call one projection to q, k and v'


def _row(scales: Tuple[str, str], **changes: Any) -> Sites:
    """A row; with LayerScale, a branch ends behind its scale."""
    first, second = scales
    return Sites(
        blocks='blocks.*',
        norm='norm1',
        stem=STEM,
        tokens='pos_drop',
        extra_tokens=_prefix_tokens,
        positions=dict(pos_embed=_unplaced_tokens),
        attn='attn',
        final_norm='norm',
        places=dict(
            attn=Place('attn', then=first),
            msa=Place('attn', layout=ATTENTION),
            qkv=Place('attn.qkv', when=_calls_qkv, without=NO_QKV),
            mlp=Place('mlp', then=second),
            norm_mlp=Place('mlp', then=second, norm='norm2'),
            **{
                part:
                Place(f'attn.{part}_proj', when=_is_separate, without=ONE_QKV)
                for part in 'qkv'
            },
            proj='attn.proj',
            fc1=Place(
                'mlp.fc1',
                when=lambda block: hasattr(block.mlp, 'fc1'),
                without='its MLP has two first layers'),
            fc2='mlp.fc2',
            norm1='norm1',
            norm2='norm2'),
        **changes)


register_sites('timm.models.vision_transformer.VisionTransformer',
               _row(('ls1', 'ls2')))
# Its blocks hold the vectors of LayerScale themselves, get rotary positions
# by name, and may keep biases that bypass what wraps qkv. Blocks with norms
# behind their branches have no gamma_1, and are refused.
register_sites(
    'timm.models.eva.Eva',
    _row(('gamma_1', 'gamma_2'),
         rotary=lambda backbone: backbone.rope is not None))
TIMM_WINDOWS = WINDOW_ATTENTION.but(modules=('WindowAttention', ))


def _windowed(**places: Place) -> Sites:
    """A row of blocks of maps, whose MLP takes tokens."""
    return Sites(
        blocks='layers.*.blocks.*',
        norm='norm1',
        final_norm='norm',
        stem=STEM,
        as_map=True,
        places=dict(
            proj=Place('attn.proj', row='window'),
            fc1=Place('mlp.fc1', as_map=False),
            fc2=Place('mlp.fc2', as_map=False),
            **places),
        windows=Windows(size=lambda x: tuple(x.shape[1:-1]), cut=_cut))


register_sites(
    'timm.models.swin_transformer.SwinTransformer',
    _windowed(
        attn=Place('attn', row='window', layout=TIMM_WINDOWS),
        msa=Place('attn', row='window', layout=TIMM_WINDOWS),
        qkv=Place('attn.qkv', row='window'),
        mlp=Place('mlp', as_map=False),
        norm_mlp=Place('mlp', norm='norm2', as_map=False),
        norm1='norm1',
        norm2=Place('norm2', as_map=False)))
# Norms stand behind the branches, which read the stream itself; attention is
# of normalised queries and keys.
register_sites(
    'timm.models.swin_transformer_v2.SwinTransformerV2',
    _windowed(
        attn=Place('attn', then='norm1', row='window'),
        qkv=Place(
            'attn.qkv', when=_calls_window_qkv, without=NO_QKV, row='window'),
        mlp=Place('mlp', then='norm2', as_map=False)))
# The first block of a stage pools and widens: the width of all its sites but
# the first is that of norm2. Tokens are in the order of mask units.
_IN_STAGE = dict(when=_keeps, without=CHANGES)
register_sites(
    'timm.models.hiera.Hiera',
    Sites(
        blocks='blocks.*',
        norm='norm2',
        stem=Stem('patch_embed', square, lambda tokens, out: tokens),
        places=dict(
            attn=Place('attn', then='ls1', **_IN_STAGE),
            qkv=Place('attn.qkv', **_IN_STAGE),
            proj='attn.proj',
            mlp=Place('mlp', then='ls2'),
            norm_mlp=Place('mlp', then='ls2', norm='norm2'),
            fc1='mlp.fc1',
            fc2='mlp.fc2',
            norm1=Place('norm1', **_IN_STAGE),
            norm2='norm2'),
        stream=Stream(_rolled, _unrolled, _pooled),
        keeps=_keeps,
        raster=False,
        regions=True))
