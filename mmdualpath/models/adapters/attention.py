"""Adapters that change what softmax attention is computed from.

Prefix-tuning and PATT add to queries, keys and values, or add more keys and
values. An adapter wraps the attention module, takes q, k, v and bias from it
as its layout in the table of sites says, changes them and computes the
attention itself.
"""
from typing import Any, Dict, Optional

from torch import Tensor, nn

from ...options import checked
from ..sites import AttentionInputs, Site, Wrapper
from .base import ATTENTION, Adapter


@checked
class AttentionAdapter(Adapter):
    """Computes the attention of the module it wraps, from changed inputs.

    A subclass changes what :meth:`inputs` returns. Several may stand on one
    module; the ones outside change what those inside made. By itself it
    changes nothing: it calls the projections of a module that reads their
    weights.

    Args:
        base: The attention module, or another adapter of this kind around
            one.
        site: Where it stands.

    Raises:
        ValueError: If an adapter of another kind stands there already.
    """
    needs = (ATTENTION, )

    def __init__(self, base: nn.Module, site: Site) -> None:
        super().__init__(base, site)
        if isinstance(base,
                      Wrapper) and not isinstance(base, AttentionAdapter):
            raise ValueError(
                f'{type(self).__name__} has to own the call of the attention '
                f'module at site={site.name!r}, where {type(base).__name__} '
                'stands already. Name it before adapters of that module.')

    @property
    def attention(self) -> nn.Module:
        """The frozen attention module."""
        base = self.base
        return base.attention if isinstance(base, AttentionAdapter) else base

    def heads(self, x: Tensor) -> Tensor:
        """``(..., N, C) -> (..., H, N, D)``."""
        heads = self.site.layout.heads(self.attention)
        return x.unflatten(-1, (heads, -1)).transpose(-2, -3)

    def inputs(self, x: Tensor, *args: Any, **kwargs: Any) -> AttentionInputs:
        """What the attention is computed from.

        Args:
            x: Tokens ``(B, N, C)``; in windowed attention those of the
                padded, shifted windows.
            args: What the module is called with after the tokens.
            kwargs: The same by name.
        """
        if isinstance(self.base, AttentionAdapter):
            return self.base.inputs(x, *args, **kwargs)
        return self.site.layout.inputs(self.base, x, *args, **kwargs)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """``(B, N, C) -> same``."""
        attn, layout = self.attention, self.site.layout
        dropout = layout.dropout(attn) if self.training else 0.
        y = self.inputs(x, *args, **kwargs).attend(layout.scale(attn), dropout)
        return layout.project(attn, y)

    def folded(self) -> Optional[Dict[str, Tensor]]:
        """By itself it changes no weight."""
        return {} if type(self) is AttentionAdapter else super().folded()
