"""Adapters that change what softmax attention is computed from.

Prefix-tuning and PATT add to queries, keys and values, or add more keys and
values. The attention modules of the stack all compute

    softmax(scale * q k^T + bias) v

but each is written in its own way. ``LAYOUTS`` says how; an adapter wraps the
module, takes q, k, v and bias from it, changes them and computes the
attention itself, fused wherever PyTorch can.
"""
from dataclasses import dataclass
from typing import Callable, Dict, NamedTuple, Optional

import torch
import torch.nn.functional as F
from mmaction.models.backbones.swin import WindowAttention3D
from mmaction.models.backbones.vit_mae import Attention as VideoMAEAttention
from mmpretrain.models.utils import MultiheadAttention, WindowMSA
from torch import Tensor, nn

from .base import Adapter, Site


class AttentionInputs(NamedTuple):
    """What attention over N tokens in H heads of D channels is made of.

    Attributes:
        q: Queries ``(B, H, N, D)``.
        k: Keys ``(B, H, M, D)``.
        v: Values ``(B, H, M, D)``.
        bias: Position bias and shift mask ``(W, H, N, M)``, added to the
            scaled products of queries and keys; the B images are windows, W
            of each image. None where nothing is added.
    """
    q: Tensor
    k: Tensor
    v: Tensor
    bias: Optional[Tensor] = None

    def add(self,
            q: Optional[Tensor] = None,
            k: Optional[Tensor] = None,
            v: Optional[Tensor] = None) -> 'AttentionInputs':
        """The same with something added to the tokens' q, k or v.

        Args:
            q: ``(B or 1, H, N, D)``, or None to add nothing.
            k: The same for keys; those in front of the tokens' stay as they
                are.
            v: The same for values.
        """
        tokens = self.q.shape[2]

        def plus(to: Tensor, part: Optional[Tensor]) -> Tensor:
            if part is None:
                return to
            return to + F.pad(part, (0, 0, to.shape[2] - tokens, 0))

        return AttentionInputs(
            plus(self.q, q), plus(self.k, k), plus(self.v, v), self.bias)

    def prepend(self,
                k: Tensor,
                v: Tensor,
                positioned: bool = False) -> 'AttentionInputs':
        """The same with more keys and values in front.

        Args:
            k: Keys ``(B or 1, H, M', D)``.
            v: Values of the same shape.
            positioned: Whether they are one for each token and have its bias;
                otherwise their bias is zero.
        """
        batch, _, tokens, _ = self.q.shape
        keys = torch.cat((k.expand(batch, -1, -1, -1), self.k), 2)
        values = torch.cat((v.expand(batch, -1, -1, -1), self.v), 2)
        bias = self.bias
        if bias is not None and positioned:
            bias = torch.cat((bias[..., -tokens:], bias), -1)
        elif bias is not None:
            bias = F.pad(bias, (k.shape[2], 0))
        return AttentionInputs(self.q, keys, values, bias)

    def attend(self,
               scale: Optional[float] = None,
               dropout: float = 0.) -> Tensor:
        """softmax(scale * q k^T + bias) v, heads merged: ``(B, N, H*D)``."""
        q, k, v, bias = self
        if bias is None:
            y = F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, scale=scale)
        else:  # the windows of an image side by side, as more heads
            windows = bias.shape[:2]
            q, k, v = (
                t.unflatten(0, (-1, windows[0])).flatten(1, 2)
                for t in (q, k, v))
            y = F.scaled_dot_product_attention(
                q,
                k,
                v,
                bias.flatten(0, 1)[None].to(q.dtype),
                dropout_p=dropout,
                scale=scale)
            y = y.unflatten(1, windows).flatten(0, 1)
        return y.transpose(1, 2).flatten(2)


def _separate_qv_bias(attn: nn.Module, x: Tensor) -> Tensor:
    if not hasattr(attn, 'q_bias'):
        return attn.qkv(x)
    bias = torch.cat((attn.q_bias, torch.zeros_like(attn.v_bias), attn.v_bias))
    return F.linear(x, attn.qkv.weight, bias)


def _relative_position_bias(attn: nn.Module, num_tokens: int) -> Tensor:
    # A window cut short in time keeps the first of the tokens.
    index = attn.relative_position_index[:num_tokens, :num_tokens]
    return attn.relative_position_bias_table[index].permute(2, 0, 1)


def _project_and_scale(attn: nn.Module, y: Tensor) -> Tensor:
    return attn.out_drop(attn.gamma1(attn.proj_drop(attn.proj(y))))


@dataclass(frozen=True)
class Layout:
    """How a class of attention modules is written.

    Attributes:
        qkv: Tokens ``(B, N, C)`` to queries, keys, values ``(B, N, 3C)``.
        bias: Position bias ``(H, N, N)`` of N tokens, if there is any.
        scale: Factor of the products; None is ``D**-0.5``.
        dropout: Dropout rate of the attention weights.
        project: Output projection.
    """
    qkv: Callable[[nn.Module, Tensor], Tensor] = (lambda attn, x: attn.qkv(x))
    bias: Optional[Callable[[nn.Module, int], Tensor]] = None
    scale: Callable[[nn.Module], Optional[float]] = lambda attn: attn.scale
    dropout: Callable[[nn.Module], float] = lambda attn: attn.attn_drop.p
    project: Callable[[nn.Module, Tensor],
                      Tensor] = (lambda attn, y: attn.proj_drop(attn.proj(y)))


LAYOUTS: Dict[type, Layout] = {
    MultiheadAttention:
    Layout(
        scale=lambda attn: None,
        dropout=lambda attn: attn.attn_drop,
        project=_project_and_scale),
    WindowMSA:
    Layout(bias=_relative_position_bias),
    WindowAttention3D:
    Layout(bias=_relative_position_bias),
    VideoMAEAttention:
    Layout(qkv=_separate_qv_bias),
}


class AttentionAdapter(Adapter):
    """Computes the attention of the module it wraps, from changed inputs.

    A subclass changes what :meth:`inputs` returns. Several may stand on one
    module; the ones outside change what those inside made.

    Args:
        base: Attention module of a class in ``LAYOUTS``, or another adapter
            of this kind around one: the site ``msa`` of the sites table.
        site: Where it stands.

    Raises:
        ValueError: If ``base`` is something else.
    """

    def __init__(self, base: nn.Module, site: Site) -> None:
        super().__init__(base, site)
        if type(self.attention) not in LAYOUTS:
            known = ', '.join(cls.__name__ for cls in LAYOUTS)
            raise ValueError(
                f'{type(self).__name__} at the site {site.name!r} wraps '
                f'{type(self.attention).__name__}, but has to own the call of '
                f'an attention module ({known}). Give it the site "msa" and '
                'name it before other adapters of the same module.')

    @property
    def attention(self) -> nn.Module:
        """The frozen attention module."""
        base = self.base
        return base.attention if isinstance(base, AttentionAdapter) else base

    def heads(self, x: Tensor) -> Tensor:
        """``(..., N, C) -> (..., H, N, D)``."""
        return x.unflatten(-1,
                           (self.attention.num_heads, -1)).transpose(-2, -3)

    def inputs(self,
               x: Tensor,
               mask: Optional[Tensor] = None) -> AttentionInputs:
        """What the attention is computed from.

        Args:
            x: Tokens ``(B, N, C)``; in windowed attention those of the
                padded, shifted windows.
            mask: Shift mask ``(W, N, N)`` of the windows of an image.
        """
        if isinstance(self.base, AttentionAdapter):
            return self.base.inputs(x, mask)
        layout = LAYOUTS[type(self.base)]
        q, k, v = map(self.heads, layout.qkv(self.base, x).chunk(3, -1))
        if layout.bias is None:
            return AttentionInputs(q, k, v)
        bias = layout.bias(self.base, x.shape[1])[None]
        return AttentionInputs(q, k, v,
                               bias if mask is None else bias + mask[:, None])

    def forward(self, x: Tensor, mask: Optional[Tensor] = None) -> Tensor:
        """``(B, N, C) -> same``, with a shift mask ``(W, N, N)``."""
        attn, layout = self.attention, LAYOUTS[type(self.attention)]
        dropout = layout.dropout(attn) if self.training else 0.
        y = self.inputs(x, mask).attend(layout.scale(attn), dropout)
        return layout.project(attn, y)
