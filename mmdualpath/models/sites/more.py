"""Rows of backbones of mmpretrain and MMAction2 for their branches alone."""
from typing import Any, Optional

from torch import Tensor, nn

from .attention import Layout
from .geometry import Windows
from .openmmlab import cut_swin, last_stage
from .rows import CHANGES, Place, Sites, register_sites
from .site import Stem, square

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
# Attention along time and in frames, which adds its input itself; tokens are
# in the order of places, then frames.
register_sites(
    'mmaction.models.backbones.timesformer.TimeSformer',
    Sites(
        blocks='transformer_layers.layers.*',
        norm='ffns.0.norm',
        row='clip',
        regions=True,
        raster=False,
        places=dict(
            mlp='ffns.0.layers',
            fc1='ffns.0.layers.0.0',
            fc2='ffns.0.layers.1',
            norm1='attentions.1.norm',
            norm2='ffns.0.norm')))
# Blocks and their attention give the size of the map beside tokens.
_WIDE = dict(when=_keeps_width, without=CHANGES)
register_sites(
    'mmaction.models.backbones.mvit.MViT',
    Sites(
        blocks='blocks.*',
        norm='norm2',  # as wide as the MLP, in blocks that widen tokens too
        row='clip',
        regions=True,
        keeps=lambda block: False,
        places=dict(
            mlp=Place('mlp', **_WIDE),
            norm_mlp=Place('mlp', norm='norm2', **_WIDE),
            fc1='mlp.fc1',
            fc2=Place('mlp.fc2', **_WIDE),
            norm2='norm2')))
# Tokens (N, B*T, C), in this order, of CLIP's blocks; those of the global path
# have no row of their own.
register_sites(
    'mmaction.models.backbones.uniformerv2.UniFormerV2',
    Sites(
        blocks='transformer.resblocks.*',
        norm='ln_1',
        row='clip',
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
