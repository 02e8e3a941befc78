"""Prefix-tuning.

Paper: Prefix-Tuning: Optimizing Continuous Prompts for Generation, ACL 2021.
https://arxiv.org/abs/2101.00190
Used for video as in: Towards a Unified View on Visual Parameter-Efficient
Transfer Learning, arXiv 2022, Sec. 2.2. https://arxiv.org/abs/2210.00788
Official code: https://github.com/bruceyo/V-PETL
Departures: the release's prefix modes fail at the widths of Swin-B, so there
is nothing to depart from; neither the number of prefixes nor the width of
their projection is in the second paper.
"""
from typing import Any

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ..sites import AttentionInputs, Site
from .attention import AttentionAdapter


@MODELS.register_module()
class PrefixTuning(AttentionAdapter):
    """Learnable keys and values in front of those of the tokens.

    P_k, P_v = Linear(tanh(Linear P)), and head = Attention(W_q x,
    [P_k; W_k x], [P_v; W_v x]) (Eq. 5). A prefix has no position: its
    relative-position bias is zero, and every window sees it.

    Args:
        base: The attention module.
        site: Where it stands, ``msa``.
        num_tokens: Number d_token of prefixes P.
        width: Channels d_middle between the two layers.

    Raises:
        ValueError: If ``num_tokens`` or ``width`` is not positive.
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_tokens: int = 16,
                 width: int = 128) -> None:
        super().__init__(base, site)
        if num_tokens < 1 or width < 1:
            raise ValueError(f'num_tokens={num_tokens} and width={width} must '
                             'be positive.')
        self.tokens = nn.Parameter(torch.randn(num_tokens, site.dims))
        self.down = nn.Linear(site.dims, width)
        self.up = nn.Linear(width, 2 * site.dims)

    def inputs(self, x: Tensor, *args: Any, **kwargs: Any) -> AttentionInputs:
        """q, k, v and bias with the prefixes in front."""
        prefixes = self.up(torch.tanh(self.down(self.tokens)))[None]
        return super().inputs(
            x, *args,
            **kwargs).prepend(*map(self.heads, prefixes.chunk(2, -1)))
