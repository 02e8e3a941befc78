"""Space-time mixing attention: keys and values shifted along time.

Paper: Space-time Mixing Attention for Video Transformer (X-ViT), NeurIPS
2021. https://arxiv.org/abs/2106.05968
Official code: https://github.com/1adrianb/video-transformers
Departures: the first and the last frame keep their own channels where they
have no neighbour, so that a still clip is processed as one image.
"""
from typing import Any, Optional

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..shapes import as_clips, heads_of
from ..sites import Site
from .base import FRAMES, TOKENS, Adapter


@checked
class ShiftedAttention(Adapter):
    """Keys and values that are moved along time; queries stay.

    A subclass says by :meth:`shift` how. No parameters. Attached with
    ``site='qkv'``.

    Args:
        base: The projection to queries, keys and values.
        site: Where it stands.
        num_frames: T, frames of a clip.
        num_heads: Heads of the attention, by default of 64 channels each.
    """
    sites = ('qkv', )
    needs = (FRAMES, TOKENS)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 num_heads: Optional[int] = None) -> None:
        super().__init__(base, site)
        self.images_per_clip = num_frames
        self.num_heads = heads_of(site.dims, num_heads)

    def shift(self, y: Tensor) -> Tensor:
        """Keys or values ``(B, T, N, H, D) -> same``."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """``(B*T, N, C) -> (B*T, N, 3C)``."""
        q, *kv = self.base(x).chunk(3, -1)
        kv = (
            self.shift(
                as_clips(y, self.images_per_clip).unflatten(
                    -1, (self.num_heads, -1))).flatten(-2).flatten(0, 1)
            for y in kv)
        return torch.cat((q, *kv), -1)

    def folded(self) -> None:
        """It has no parameters and stays."""
        return None


@MODELS.register_module()
@checked
class TokenShift(ShiftedAttention):
    """Keys and values take some channels from the neighbouring frames.

    In every head k~_t = [k_{t-1}, k_t, k_{t+1}], each frame giving a share of
    the channels, and v~_t likewise.

    Args:
        base: The projection to queries, keys and values.
        site: Where it stands.
        num_frames: T, frames of a clip.
        share: Share of a head's channels taken from each neighbour.
        heads: ``num_heads``, see :class:`ShiftedAttention`.

    Raises:
        ValueError: If the share is not in [0, 0.5].
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 share: float = 1 / 3,
                 **heads: Any) -> None:
        super().__init__(base, site, num_frames, **heads)
        if not 0 <= share <= 0.5:
            raise ValueError(f'share={share}: both neighbours take a share, '
                             'so it lies in [0, 0.5].')
        self.share = share

    def shift(self, y: Tensor) -> Tensor:
        """``(B, T, N, H, D) -> same``."""
        count = int(y.shape[-1] * self.share)
        before = torch.cat((y[:, :1], y[:, :-1]), 1)
        after = torch.cat((y[:, 1:], y[:, -1:]), 1)
        return torch.cat(
            (before[..., :count], y[..., count:y.shape[-1] - count],
             after[..., y.shape[-1] - count:]), -1)
