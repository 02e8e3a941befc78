"""SSF: what layers put out is scaled and shifted.

Paper: Scaling & Shifting Your Features: A New Baseline for Efficient Model
Tuning, NeurIPS 2022. https://arxiv.org/abs/2210.08823
Official code: https://github.com/dongzelian/SSF
Departures: scales start at one and shifts at zero, so that a new model is the
frozen one; the release draws both with a deviation of 0.02 around these. It
scales what the patch embedding puts out as well, which is no layer of a block.
The last norm of a network is outside its blocks too: ``trainable`` of the view
trains its own scale and shift, which is the same.
"""
from typing import Any, Dict

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..sites import Site, unwrapped
from .base import LINEAR, Adapter


@MODELS.register_module()
@checked
class SSF(Adapter):
    """g * f(x) + b, channel by channel, behind a linear layer or LayerNorm f.

    The paper has one behind every layer: ``qkv``, ``proj``, ``fc1``, ``fc2``,
    ``norm1`` and ``norm2``.

    Args:
        base: The layer.
        site: Where it stands.
    """
    sites = (*LINEAR, 'norm1', 'norm2')

    def __init__(self, base: nn.Module, site: Site) -> None:
        super().__init__(base, site)
        channels = len(unwrapped(base).weight)
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """``(..., C) -> (..., C')``."""
        y = self.base(x, *args, **kwargs)
        return torch.addcmul(self.shift.to(y), self.scale.to(y), y)

    @torch.no_grad()
    def folded(self) -> Dict[str, Tensor]:
        """g W and g b_f + b."""
        if isinstance(self.base, nn.LayerNorm):
            weight, bias = self.base.weight.double(), self.base.bias.double()
        else:
            weight, bias = self.frozen_linear()
        scale, shift = self.scale.double(), self.shift.double()
        weight = torch.einsum('c,c...->c...', scale, weight)
        return dict(weight=weight, bias=scale * bias + shift)
