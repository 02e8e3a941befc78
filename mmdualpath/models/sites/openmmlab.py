"""Rows of the backbones of mmpretrain, MMAction2 and this package."""
from typing import Optional, Sequence, Tuple

import torch
from mmaction.models.backbones.swin import get_window_size
from torch import Tensor, nn

from .attention import Layout
from .geometry import Windows, pyramid_map, tube_map
from .rows import Place, Sites, register_sites, unwrapped


def _project_and_scale(attn: nn.Module, y: Tensor) -> Tensor:
    return attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(y))))


def _separate_qv_bias(attn: nn.Module, x: Tensor) -> Tensor:
    if not hasattr(attn, 'q_bias'):
        return attn.qkv(x)
    bias = torch.cat((attn.q_bias, torch.zeros_like(attn.v_bias), attn.v_bias))
    return attn.qkv(x) + bias


def _relative_positions(attn: nn.Module,
                        num_tokens: int,
                        mask: Optional[Tensor] = None) -> Tensor:
    """Bias of the tokens of a window, with the shift mask ``(W, N, N)``."""
    # A window cut short in time keeps the first of the tokens.
    index = attn.relative_position_index[:num_tokens, :num_tokens]
    bias = attn.relative_position_bias_table[index].permute(2, 0, 1)[None]
    return bias if mask is None else bias + mask[:, None]


def cut_swin(block: nn.Module,
             size: Tuple[int, ...]) -> Tuple[Sequence[int], Sequence[int]]:
    """Windows and shift of a block of mmpretrain's Swin or Swin V2."""
    attn = unwrapped(block.attn)
    small = min(size) == attn.window_size and not attn.pad_small_map
    return (attn.window_size, ) * 2, (0 if small else attn.shift_size, ) * 2


def last_stage(backbone: nn.Module) -> str:
    """The norm of what the last stage puts out, if that is put out."""
    return f'norm{backbone.num_layers - 1}'


VIT_ATTENTION = Layout(('MultiheadAttention', ),
                       scale=lambda attn: None,
                       dropout=lambda attn: attn.attn_drop,
                       project=_project_and_scale)
WINDOW_ATTENTION = Layout(('WindowMSA', ), bias=_relative_positions)

register_sites(
    'mmpretrain.models.backbones.vision_transformer.VisionTransformer',
    Sites(
        blocks='layers.*',
        norm='ln1',
        final_norm='ln1',
        attn='attn',
        tokens='drop_after_pos',
        places=dict(
            attn=Place('attn', layout=VIT_ATTENTION),
            msa=Place('attn', layout=VIT_ATTENTION),
            qkv='attn.qkv',
            proj='attn.proj',
            mlp=Place('ffn.layers', then='ffn.gamma2'),
            norm_mlp=Place('ffn.layers', then='ffn.gamma2', norm='ln2'),
            residual_mlp=Place('ffn', norm='ln2'),
            fc1='ffn.layers.0.0',
            fc2='ffn.layers.1',
            norm1='ln1',
            norm2='ln2')))
# In Swin an attention adapter of DualPath stands on plain windows alone.
register_sites(
    'mmpretrain.models.backbones.swin_transformer.SwinTransformer',
    Sites(
        blocks='stages.*.blocks.*',
        norm='norm1',
        final_norm=last_stage,
        tokens='drop_after_pos',
        places=dict(
            attn='attn',
            window_attn=Place(
                'attn', when=lambda block: block.attn.shift_size == 0),
            msa=Place('attn.w_msa', row='window', layout=WINDOW_ATTENTION),
            qkv=Place('attn.w_msa.qkv', row='window'),
            proj=Place('attn.w_msa.proj', row='window'),
            mlp=Place('ffn.layers', then='ffn.gamma2'),
            norm_mlp=Place('ffn.layers', then='ffn.gamma2', norm='norm2'),
            residual_mlp=Place('ffn', norm='norm2'),
            fc1='ffn.layers.0.0',
            fc2='ffn.layers.1',
            norm1='norm1',
            norm2='norm2'),
        windows=Windows(size=lambda x, size: tuple(size), cut=cut_swin)))
# Local and global attention alternate; only the local one has a qkv.
register_sites(
    'mmdualpath.models.backbones.dualformer.DualFormer',
    Sites(
        blocks='stages.*.blocks.*',
        norm='norm1',
        final_norm='norm',
        row=lambda backbone: 'clip' if backbone.axes == 3 else 'frame',
        stem='stages.0.patch_embed',
        regions=True,
        map_size=pyramid_map,
        places=dict(
            attn='attn',
            local_attn=Place('attn', when=lambda block: block.is_local),
            global_attn=Place('attn', when=lambda block: not block.is_local),
            qkv=Place(
                'attn.qkv', when=lambda block: block.is_local, row='window'),
            proj='attn.proj',
            mlp='mlp',
            norm_mlp=Place('mlp', norm='norm2'),
            fc1='mlp.0',
            fc2='mlp.2',
            norm1='norm1',
            norm2='norm2')))
register_sites(
    'mmaction.models.backbones.swin.SwinTransformer3D',
    Sites(
        blocks='layers.*.blocks.*',
        norm='norm1',
        final_norm=last_stage,
        row='clip',
        as_map=True,
        map_size=pyramid_map,
        places=dict(
            attn=Place(
                'attn',
                row='window',
                layout=WINDOW_ATTENTION.but(modules=('WindowAttention3D', ))),
            msa=Place(
                'attn',
                row='window',
                layout=WINDOW_ATTENTION.but(modules=('WindowAttention3D', ))),
            qkv=Place('attn.qkv', row='window'),
            proj=Place('attn.proj', row='window'),
            mlp='mlp',
            norm_mlp=Place('mlp', norm='norm2'),
            fc1='mlp.fc1',
            fc2='mlp.fc2',
            norm1='norm1',
            norm2='norm2'),
        windows=Windows(
            size=lambda x, mask: tuple(x.shape[1:-1]),
            cut=lambda block, size: get_window_size(size, block.window_size,
                                                    block.shift_size))))
# VideoMAE's ViT reads qkv.weight and never calls qkv. With init_values its
# blocks scale their branches by parameters, which no module can stand around.
VIDEOMAE_ATTENTION = Layout(('Attention', ), qkv=_separate_qv_bias)


def _is_unscaled(block: nn.Module) -> bool:
    return not hasattr(block, 'gamma_1')


register_sites(
    'mmaction.models.backbones.vit_mae.VisionTransformer',
    Sites(
        blocks='blocks.*',
        norm='norm1',
        final_norm='norm',
        row='clip',
        tokens='pos_drop',
        attn='attn',
        places=dict(
            attn=Place('attn', when=_is_unscaled, layout=VIDEOMAE_ATTENTION),
            msa=Place('attn', layout=VIDEOMAE_ATTENTION),
            qkv=Place('attn.qkv', reader='msa'),
            proj='attn.proj',
            mlp=Place('mlp', when=_is_unscaled),
            norm_mlp=Place('mlp', when=_is_unscaled, norm='norm2'),
            fc1='mlp.layers.0.0',
            fc2='mlp.layers.1',
            norm1='norm1',
            norm2='norm2'),
        map_size=tube_map))
