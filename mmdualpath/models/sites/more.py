"""Rows of backbones of mmpretrain and MMAction2 for their branches alone."""
import math
from typing import Any, Callable, Optional, Tuple

import torch
from torch import Tensor, nn

from .attention import Layout
from .geometry import Windows, square_map
from .openmmlab import cut_swin, last_stage
from .rows import CHANGES, Place, Sites, register_sites
from .site import Site, Stem, Stream, square

READ = 'its attention reads the weight of qkv and does not call it'


def _calls_qkv(block: nn.Module) -> bool:
    return block.attn.bias != 'qv_bias'


def _keeps_width(block: nn.Module) -> bool:
    """Whether the MLP of a block of MViT gives tokens as wide as it reads."""
    return block.dim_mul_in_attention or block.proj is None


_FFN = dict(fc1='ffn.layers.0.0', fc2='ffn.layers.1')
register_sites(
    'mmpretrain.models.backbones.beit.BEiTViT',
    Sites(
        blocks='layers.*',
        norm='ln1',
        final_norm='ln1',
        tokens='drop_after_pos',
        rotary=lambda backbone: backbone.use_rel_pos_bias or backbone.
        rel_pos_bias is not None,
        places=dict(
            attn=Place('attn', then='gamma_1'),
            qkv=Place('attn.qkv', when=_calls_qkv, without=READ),
            proj='attn.proj',
            mlp=Place('ffn', then='gamma_2'),
            norm_mlp=Place('ffn', then='gamma_2', norm='ln2'),
            **_FFN,
            norm1='ln1',
            norm2='ln2')))
register_sites(
    'mmpretrain.models.backbones.vit_eva02.ViTEVA02',
    Sites(
        blocks='layers.*',
        norm='norm1',
        final_norm='ln1',
        tokens='drop_after_pos',
        rotary=lambda backbone: True,
        places=dict(
            attn='attn',
            qkv='attn.qkv',
            proj='attn.proj',
            mlp='mlp',
            norm_mlp=Place('mlp', norm='norm2'),
            norm1='norm1',
            norm2='norm2')))
# Norms stand behind the branches, which read the stream itself; attention is
# of normalised queries and keys, and reads the weight of qkv.
register_sites(
    'mmpretrain.models.backbones.swin_transformer_v2.SwinTransformerV2',
    Sites(
        blocks='stages.*.blocks.*',
        norm='norm1',
        final_norm=last_stage,
        tokens='drop_after_pos',
        places=dict(
            attn=Place('attn', then='norm1'),
            window_attn=Place(
                'attn',
                then='norm1',
                when=lambda block: block.attn.shift_size == 0),
            proj=Place('attn.w_msa.proj', row='window'),
            mlp=Place('ffn', then='norm2'),
            **_FFN),
        windows=Windows(size=lambda x, size: tuple(size), cut=cut_swin)))


def _relative_positions(attn: nn.Module,
                        num_tokens: int,
                        rpe_index: Optional[bool] = None,
                        mask: Any = None) -> Optional[Tensor]:
    if rpe_index is None:
        return None
    index = attn.relative_position_index
    return attn.relative_position_bias_table[index].permute(2, 0, 1)[None]


# Its first stages have MLPs alone, on the pixels of a patch, and between
# stages patches are merged: tokens begin behind them.
HIVIT_ATTENTION = Layout(('Attention', ), bias=_relative_positions)
register_sites(
    'mmpretrain.models.backbones.hivit.HiViT',
    Sites(
        blocks='blocks.*',
        is_block=lambda module: getattr(module, 'attn', None) is not None,
        norm='norm1',
        stem=Stem('pos_drop', square, lambda tokens, out: tokens),
        tokens='pos_drop',
        attn='attn',
        rotary=lambda backbone: backbone.rpe,
        places=dict(
            attn=Place('attn', then='gamma_1'),
            msa=Place('attn', layout=HIVIT_ATTENTION),
            qkv='attn.qkv',
            proj='attn.proj',
            mlp=Place('mlp', then='gamma_2'),
            norm_mlp=Place('mlp', then='gamma_2', norm='norm2'),
            fc1='mlp.fc1',
            fc2='mlp.fc2',
            norm1='norm1',
            norm2='norm2')))


def _by_time(backbone: nn.Module, site: Site, out: Tensor) -> Tensor:
    """The class token, and patches in the order of places, then frames."""
    patches = out[:, 1:].unflatten(1, (-1, backbone.num_frames))
    return torch.cat((out[:, :1], patches.transpose(1, 2).flatten(1, 2)), 1)


def _by_place(backbone: nn.Module, site: Site, tokens: Tensor,
              out: Tensor) -> Tensor:
    patches = tokens[:, 1:].unflatten(1, (backbone.num_frames, -1))
    return torch.cat((tokens[:, :1], patches.transpose(1, 2).flatten(1, 2)), 1)


def _clip_map(
    times: Callable[[nn.Module], int]
) -> Callable[[nn.Module, int, Tensor], Tuple[int, ...]]:
    """Size of the map of a clip of so many frames."""

    def size(backbone: nn.Module, patches: int,
             clips: Tensor) -> Tuple[int, ...]:
        frames = times(backbone)
        return (frames, *square_map(backbone, patches // frames, clips))

    return size


# Attention along time and in frames, which adds its input itself; tokens are
# in the order of places, then frames.
register_sites(
    'mmaction.models.backbones.timesformer.TimeSformer',
    Sites(
        blocks='transformer_layers.layers.*',
        norm='ffns.0.norm',
        final_norm='norm',
        row='clip',
        extra_tokens=lambda backbone: 1,
        positions=dict(pos_embed=lambda backbone: 1),
        stream=Stream(_by_time, _by_place),
        map_size=_clip_map(lambda backbone: backbone.num_frames),
        regions=True,
        raster=False,
        places=dict(
            mlp='ffns.0.layers',
            fc1='ffns.0.layers.0.0',
            fc2='ffns.0.layers.1',
            norm1='attentions.1.norm',
            norm2='ffns.0.norm')))


def _behind(backbone: nn.Module, block: int,
            size: Tuple[int, ...]) -> Tuple[int, ...]:
    """Size of the map behind a block of MViT, given that in front of it."""
    t, h, w = size
    return (t, -(-h // 2), -(-w // 2)) if block in backbone.downscale_indices \
        else (t, h, w)


def _shrunk(backbone: nn.Module, site: Site, x: Tensor,
            size: Tuple[int, ...]) -> Tuple[Tensor, Tuple[int, ...]]:
    size = _behind(backbone, site.block, size)
    number = site.extra_tokens + math.prod(size)
    return x.new_zeros(len(x), number, site.dims), size


def _stage_map(backbone: nn.Module, patches: int,
               clips: Tensor) -> Tuple[int, ...]:
    """Size of the map of the stage of MViT that has so many patches."""
    stem, size = backbone.patch_embed, clips.shape[2:]
    if stem.adaptive_padding is not None:
        pads = stem.adaptive_padding.get_pad_shape(size)
        size = [s + pad for s, pad in zip(size, pads)]
    conv = stem.projection
    size = tuple((s + 2 * p - k) // d + 1 for s, p, k, d in zip(
        size, conv.padding, conv.kernel_size, conv.stride))
    for block in range(backbone.num_layers):
        size = _behind(backbone, block, size)
        if math.prod(size) == patches:
            break
    return size


# Blocks and their attention give the size of the map beside tokens. The norm
# behind the last block is there if the last stage is put out.
_WIDE = dict(when=_keeps_width, without=CHANGES)
register_sites(
    'mmaction.models.backbones.mvit.MViT',
    Sites(
        blocks='blocks.*',
        norm='norm2',  # as wide as the MLP, in blocks that widen tokens too
        final_norm=lambda backbone: f'norm{backbone.num_scales - 1}',
        row='clip',
        extra_tokens=lambda backbone: int(backbone.with_cls_token),
        stream=Stream(
            unpack=lambda backbone, site, out: out[0],
            pack=lambda backbone, site, tokens, out: (tokens, out[1]),
            blank=_shrunk,
            dims=lambda block: block.out_dims),
        map_size=_stage_map,
        regions=True,
        keeps=lambda block: False,
        places=dict(
            mlp=Place('mlp', **_WIDE),
            norm_mlp=Place('mlp', norm='norm2', **_WIDE),
            fc1='mlp.fc1',
            fc2=Place('mlp.fc2', **_WIDE),
            norm2='norm2')))


def _num_times(backbone: nn.Module) -> int:
    return backbone.transformer.T


def _by_clip(backbone: nn.Module, site: Site, out: Tensor) -> Tensor:
    """``(1 + P, B*T, C) -> (B, T + T*P, C)``, class tokens first."""
    clips = out.unflatten(1, (-1, _num_times(backbone))).permute(1, 2, 0, 3)
    return torch.cat((clips[:, :, 0], clips[:, :, 1:].flatten(1, 2)), 1)


def _by_token(backbone: nn.Module, site: Site, tokens: Tensor,
              out: Tensor) -> Tensor:
    times = _num_times(backbone)
    patches = tokens[:, times:].unflatten(1, (times, -1))
    frames = torch.cat((tokens[:, :times].unsqueeze(2), patches), 2)
    return frames.permute(2, 0, 1, 3).flatten(1, 2)


# Tokens (N, B*T, C), in this order, of CLIP's blocks, with a class token of
# each frame; those of the global path have no row of their own, and its norm
# is of what it mixes.
register_sites(
    'mmaction.models.backbones.uniformerv2.UniFormerV2',
    Sites(
        blocks='transformer.resblocks.*',
        norm='ln_1',
        row='clip',
        extra_tokens=_num_times,
        class_tokens=lambda backbone, extra_tokens: extra_tokens,
        positions=dict(positional_embedding=lambda backbone: 1),
        stream=Stream(_by_clip, _by_token),
        map_size=_clip_map(_num_times),
        as_map=True,
        raster=False,
        stem='conv1',
        places=dict(
            mlp='mlp',
            norm_mlp=Place('mlp', norm='ln_2'),
            fc1='mlp.c_fc',
            fc2='mlp.c_proj',
            norm1='ln_1',
            norm2='ln_2')))
