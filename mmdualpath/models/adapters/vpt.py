"""Visual prompt tuning.

Paper: Visual Prompt Tuning, ECCV 2022. https://arxiv.org/abs/2203.12119
Official code: https://github.com/KMnP/vpt
Departures: prompts stand in front of the class token, as in Eq. 3 of the
DualPath paper, not behind it; attention does not see the difference. In
windows (:class:`WindowVPT`) the prompts do not pass the block's LayerNorm.
"""
import math
from typing import Any

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..sites import AttentionInputs, Site
from .attention import AttentionAdapter
from .base import COUNTED, TOKENS, WHOLE, Adapter


def new_prompts(number: int, dims: int, patch_size: int) -> nn.Parameter:
    """Prompts ``(K, d)``, uniform in +-sqrt(6 / (3 P^2 + d)).

    Raises:
        ValueError: If there are none.
    """
    if number < 1:
        raise ValueError(f'num_prompts={number}: VPT needs at least one '
                         'prompt.')
    bound = math.sqrt(6 / (3 * patch_size**2 + dims))
    return nn.Parameter(torch.empty(number, dims).uniform_(-bound, bound))


@MODELS.register_module()
@checked
class VPT(Adapter):
    """Learnable tokens in front of a block's input, h~ = [e; h] (Eq. 3).

    Attached with ``site='block'``. ``deep`` is VPT-Deep: every block has K
    prompts of its own, thrown away after it. Otherwise it is VPT-Shallow:
    the first of the chosen blocks puts prompts in front, those behind it
    process them and the last one throws them away; an adapter on the same
    blocks then has to be listed before it.

    Args:
        base: The block.
        site: Where it stands.
        num_prompts: K, prompts in front of a block.
        deep: Whether every block has prompts of its own.
        dropout: Dropout rate of the prompts.
        patch_size: P of the backbone, see :func:`new_prompts`.

    Raises:
        ValueError: If there are no prompts, or a gap in the blocks that
            VPT-Shallow is given.
    """
    sites = ('block', )
    needs = (TOKENS, WHOLE, COUNTED)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_prompts: int = 8,
                 deep: bool = True,
                 dropout: float = 0.,
                 patch_size: int = 16) -> None:
        super().__init__(base, site)
        blocks = site.chosen or range(site.num_blocks)
        first, last = blocks[0], blocks[-1]
        if not deep and len(blocks) != last - first + 1:
            raise ValueError(f'VPT with deep=False and blocks='
                             f'{list(blocks)}: prompts run from the '
                             'first to the last of them, so none may be left '
                             'out between.')
        self.added_tokens = num_prompts
        self.drops = deep or site.block == last
        self.dropout = nn.Dropout(dropout)
        owns = deep or site.block == first
        self.prompts = new_prompts(num_prompts, site.dims,
                                   patch_size) if owns else None

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``; between shallow blocks, N + K tokens."""
        if self.prompts is not None:
            e = self.dropout(self.prompts).to(x.dtype)
            e = e.expand(x.shape[0], -1, -1)
            x = torch.cat((e, x), 1)
        x = self.base(x, *args, **kwargs)
        return x[:, self.added_tokens:] if self.drops else x


@MODELS.register_module()
@checked
class WindowVPT(AttentionAdapter):
    """VPT-Deep where attention runs in windows: prompts in every window.

    Patches attend to [e; h], without a position bias for e. As prompts are
    thrown away after their block, this is all that they do; they are
    projected to keys and values by the frozen weights. In a ViT it is
    :class:`VPT` with prompts that are normalised already. Attached with
    ``site='msa'``.

    Args:
        base: The attention module.
        site: Where it stands.
        num_prompts: K, prompts in front of a window.
        dropout: Dropout rate of the prompts.
        patch_size: P of the backbone, see :func:`new_prompts`.
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_prompts: int = 8,
                 dropout: float = 0.,
                 patch_size: int = 16) -> None:
        super().__init__(base, site)
        self.prompts = new_prompts(num_prompts, site.dims, patch_size)
        self.dropout = nn.Dropout(dropout)

    def inputs(self, x: Tensor, *args: Any, **kwargs: Any) -> AttentionInputs:
        """What the attention is computed from, with tokens ``(B, N, C)``."""
        e = self.dropout(self.prompts).to(x.dtype)[None]
        qkv = self.site.layout.qkv(self.attention, e)
        _, k, v = map(self.heads, qkv.chunk(3, -1))
        return super().inputs(x, *args, **kwargs).prepend(k, v)
