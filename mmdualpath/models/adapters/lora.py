"""Low-rank updates of frozen linear layers: LoRA and DoRA.

Papers: LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
https://arxiv.org/abs/2106.09685
DoRA: Weight-Decomposed Low-Rank Adaptation, ICML 2024.
https://arxiv.org/abs/2402.09353
Official code: https://github.com/microsoft/LoRA,
https://github.com/NVlabs/DoRA
"""
import math
from typing import Any, Dict, Optional

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..sites import Site, unwrapped
from .base import LINEAR, Adapter


@MODELS.register_module()
@checked
class LoRA(Adapter):
    """W x + (alpha / r) B A x, on a linear layer.

    A starts Kaiming-uniform and B at zero. Around the projection to queries,
    keys and values each of those chosen has an A and a B of its own; where
    there are three layers instead, ``q``, ``k`` and ``v`` are sites.

    Args:
        base: The linear layer.
        site: Where it stands.
        rank: r, rows of A.
        alpha: Numerator of the update's factor.
        on: At ``qkv``, what is updated, letters of ``'qkv'``; None is
            ``'qv'``, as in the paper.
        dropout: Dropout rate of what A reads.

    Raises:
        ValueError: If the rank is not positive, ``on`` no selection of
            ``'qkv'``, or given at another site.
    """
    sites = LINEAR

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 rank: int = 8,
                 alpha: float = 8.,
                 on: Optional[str] = None,
                 dropout: float = 0.) -> None:
        super().__init__(base, site)
        if rank < 1:
            raise ValueError(f'rank={rank} must be positive.')
        whole, default = ('qkv', 'qv') if site.name == 'qkv' else ('-', '-')
        chosen = default if on is None else on
        self.parts = [i for i, part in enumerate(whole) if part in chosen]
        if not chosen or len(self.parts) < len(chosen):
            raise ValueError(f"on={on!r} at site={site.name!r}: it is a "
                             "selection of 'qkv' at site='qkv', and None at "
                             'others.')
        self.num_parts = len(whole)
        self.scale = alpha / rank
        self.dropout = nn.Dropout(dropout)
        outputs, inputs = unwrapped(base).weight.shape
        self.down = nn.Parameter(torch.empty(len(chosen), rank, inputs))
        self.up = nn.Parameter(
            torch.zeros(len(chosen), outputs // self.num_parts, rank))
        nn.init.kaiming_uniform_(self.down.flatten(0, 1), a=math.sqrt(5))

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """``(..., C) -> (..., C')``."""
        y = self.base(x, *args, **kwargs)
        low = F.linear(self.dropout(x), self.down.flatten(0, 1))
        low = low.unflatten(-1, self.down.shape[:2])
        update = torch.einsum('...pr,por->...po', low, self.up)
        if len(self.parts) == self.num_parts:
            return torch.add(y, update.flatten(-2), alpha=self.scale)
        y = list(y.chunk(self.num_parts, -1))
        for part, delta in zip(self.parts, update.unbind(-2)):
            y[part] = torch.add(y[part], delta, alpha=self.scale)
        return torch.cat(y, -1)

    def update(self) -> Tensor:
        """(alpha / r) B A ``(C', C)``, zero where nothing is updated."""
        delta = self.scale * self.up.double() @ self.down.double()
        update = delta.new_zeros(self.num_parts, *delta.shape[1:])
        update[self.parts] = delta
        return update.flatten(0, 1)

    @torch.no_grad()
    def folded(self) -> Dict[str, Tensor]:
        """W + (alpha / r) B A."""
        return dict(weight=self.frozen_linear()[0] + self.update())


@MODELS.register_module()
@checked
class DoRA(LoRA):
    """m (W + (alpha / r) B A) x / ||W + (alpha / r) B A||, row by row.

    The magnitudes m start as the norms of the frozen rows, so that a new
    adapter changes nothing. The gradient takes the norm in the denominator
    for a constant (Sec. 4.3). Arguments as :class:`LoRA`; rows that it does
    not update have no magnitude.

    Raises:
        ValueError: If another adapter stands there already.
    """

    def __init__(self, base: nn.Module, site: Site, **low_rank) -> None:
        super().__init__(base, site, **low_rank)
        if base is not unwrapped(base):
            raise ValueError(f'DoRA at site={site.name!r} reads the weight of '
                             f'a layer where {type(base).__name__} stands '
                             'already. Name it before other adapters there.')
        self.magnitude = nn.Parameter(self._chosen(base.weight.norm(dim=1)))

    def _chosen(self, rows: Tensor) -> Tensor:
        """Of values of all rows, those that are updated, ``(P, C' / P)``."""
        return rows.detach().unflatten(0, (self.num_parts, -1))[self.parts]

    def _factors(self) -> Tensor:
        """What the rows of W + (alpha / r) B A are multiplied by."""
        with torch.no_grad():
            weight = self.base.weight.double() + self.update()
            norms = self._chosen(weight.norm(dim=1))
        factors = norms.new_ones(self.num_parts, norms.shape[1])
        factors[self.parts] = self.magnitude / norms
        return factors.flatten()

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """``(..., C) -> (..., C')``."""
        y = super().forward(x, *args, **kwargs)
        factors = self._factors().to(y)
        if self.base.bias is None:
            return factors * y
        return factors * y + (1 - factors) * self.base.bias.to(y)

    @torch.no_grad()
    def folded(self) -> Dict[str, Tensor]:
        """m (W + (alpha / r) B A) / ||W + (alpha / r) B A||."""
        return dict(weight=self._factors()[:, None] *
                    super().folded()['weight'])
