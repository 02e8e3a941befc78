"""Rows of transformers' models, by name: the library is not imported.

``TransformersBackbone`` keeps what is no token out of the way: see there for
``base`` and ``out``.
"""
from typing import Any, Callable, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from .attention import Layout, Rotate
from .geometry import tube_map
from .rows import Place, Sites, register_sites
from .site import Stem, square


def _map_to_tokens(out: Tensor) -> Tuple[Tensor, Tuple[int, ...]]:
    """Patches as a convolution gives them, ``(B, C, *S)``."""
    return out.flatten(2).mT, tuple(out.shape[2:])


def _tokens_to_map(tokens: Tensor, out: Tensor) -> Tensor:
    return tokens.mT.reshape(out.shape)


def _convolution(path: str) -> Stem:
    return Stem(f'{path}.out', _map_to_tokens, _tokens_to_map)


def _heads(attn: nn.Module) -> int:
    return getattr(attn, 'num_attention_heads', None) or attn.num_heads


def _layout(kind: str, projections: Sequence[str],
            rotate: Optional[Callable[..., Rotate]]) -> Layout:
    """An attention with three projections to q, k and v."""
    *parts, last = projections
    rates = ('attention_dropout', 'dropout_prob', 'dropout')
    return Layout(
        (kind, ),
        heads=_heads,
        qkv=lambda attn, x: torch.cat([getattr(attn, p)(x)
                                       for p in parts], -1),
        scale=lambda attn: None,
        dropout=lambda attn: next(
            getattr(attn, r) for r in rates if hasattr(attn, r)),
        project=lambda attn, y: getattr(attn, last)(y),
        rotate=rotate)


def _rotate_dinov3(attn: nn.Module,
                   attention_mask: Optional[Tensor] = None,
                   position_embeddings: Any = None,
                   **kwargs: Any) -> Rotate:
    from transformers.models.dinov3_vit import modeling_dinov3_vit
    return lambda q, k: modeling_dinov3_vit.apply_rotary_pos_emb(
        q, k, *position_embeddings)


def _rotate_vjepa2(attn: nn.Module,
                   position_mask: Optional[Tensor] = None) -> Rotate:

    def turn(x: Tensor) -> Tensor:
        places = attn.get_position_ids(x[:, 0], masks=position_mask)
        return attn.apply_rotary_embeddings(x, places)

    return lambda q, k: (turn(q), turn(k))


def _row(kind: str,
         stem: Stem,
         blocks: str = 'encoder.layer.*',
         attn: str = 'attention.base',
         projections: Sequence[str] = ('q_proj', 'k_proj', 'v_proj', 'o_proj'),
         norms: Sequence[str] = ('norm1', 'norm2'),
         scales: Sequence[Optional[str]] = (None, None),
         layers: Sequence[str] = ('fc1', 'fc2'),
         rotate: Optional[Callable[..., Rotate]] = None,
         **changes: Any) -> Sites:
    """A row; with LayerScale, a branch ends behind its scale.

    Args:
        kind: Class of its attention.
        stem: Where patches become tokens.
        blocks: Path of its blocks.
        attn: Path of the attention in a block.
        projections: The attention's layers for q, k, v and the output.
        norms: The norms of a block.
        scales: Where the vectors of LayerScale are in a block, if anywhere.
        layers: The layers of its MLP.
        rotate: Rotary positions of its attention, if it has any.
        changes: What else differs.
    """
    q, k, v, proj = projections
    linear = dict(
        when=lambda block: not hasattr(block.mlp, 'gate_proj'),
        without='its MLP has two first layers')
    row = dict(
        blocks=blocks,
        norm=norms[0],
        final_norm='layernorm',
        stem=stem,
        tokens='embeddings.out',
        attn=None if rotate else attn,
        rotary=lambda backbone: rotate is not None,
        places=dict(
            attn=Place(attn, then=scales[0]),
            msa=Place(attn, layout=_layout(kind, projections, rotate)),
            q=f'{attn}.{q}',
            k=f'{attn}.{k}',
            v=f'{attn}.{v}',
            proj=f'{attn}.{proj}',
            mlp=Place('mlp', then=scales[1]),
            norm_mlp=Place('mlp', then=scales[1], norm=norms[1]),
            fc1=Place(f'mlp.{layers[0]}', **linear),
            fc2=Place(f'mlp.{layers[1]}', **linear),
            norm1=norms[0],
            norm2=norms[1]))
    return Sites(**{**row, **changes})


_SCALES = ('layer_scale1', 'layer_scale2')
for _kind, _module in (('Dinov2', 'dinov2'), ('Dinov2WithRegisters',
                                              'dinov2_with_registers')):
    register_sites(
        f'transformers.models.{_module}.modeling_{_module}.{_kind}Model',
        _row(
            f'{_kind}Attention',
            _convolution('embeddings.patch_embeddings.projection'),
            scales=_SCALES,
            # registers have no positions
            positions={'embeddings.position_embeddings': lambda backbone: 1}))
register_sites(
    'transformers.models.dinov3_vit.modeling_dinov3_vit.DINOv3ViTModel',
    _row(
        'DINOv3ViTAttention',
        _convolution('embeddings.patch_embeddings'),
        blocks='model.layer.*',
        scales=_SCALES,
        layers=('up_proj', 'down_proj'),
        final_norm='norm',
        rotate=_rotate_dinov3))
_PATCHES = 'embeddings.patch_embedding'
_ANY_ASPECT = Stem(f'{_PATCHES}.out', square, lambda tokens, out: tokens)
for _kind, _module, _stem in (('Siglip', 'siglip', _convolution(_PATCHES)),
                              ('Siglip2', 'siglip2', _ANY_ASPECT)):
    register_sites(
        f'transformers.models.{_module}.modeling_{_module}.{_kind}VisionModel',
        _row(
            f'{_kind}Attention',
            _stem,
            blocks='encoder.layers.*',
            attn='self_attn.base',
            projections=('q_proj', 'k_proj', 'v_proj', 'out_proj'),
            norms=('layer_norm1', 'layer_norm2'),
            final_norm='post_layernorm',
            positions={
                'embeddings.position_embedding.weight': lambda backbone: 0
            }))
register_sites(
    'transformers.models.vjepa2.modeling_vjepa2.VJEPA2Model',
    _row(
        'VJEPA2RopeAttention',
        _convolution('encoder.embeddings.patch_embeddings.proj'),
        blocks='encoder.layer.*.base',
        projections=('query', 'key', 'value', 'proj'),
        final_norm='encoder.layernorm',
        row='clip',
        tokens='encoder.embeddings.out',
        rotate=_rotate_vjepa2,
        map_size=tube_map))
