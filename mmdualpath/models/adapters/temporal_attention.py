"""Divided space-time attention.

Paper: Is Space-Time Attention All You Need for Video Understanding?
(TimeSformer), ICML 2021. https://arxiv.org/abs/2102.05095
Official code: https://github.com/facebookresearch/TimeSformer
Departures: every frame keeps a class token of its own, which a head pools;
temporal attention starts from random weights instead of a copy of the spatial
ones, and its last projection is zero in the first block too, so that a new
model is the frozen one.
"""
from typing import Optional, Tuple

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..shapes import as_clips, heads_of
from ..sites import Site
from .base import FRAMES, TOKENS, Adapter
from .stem import StemAdapter


@MODELS.register_module()
@checked
class TemporalAttention(Adapter):
    """Attention along time in front of a block.

    h' = h + FC(MHA_time(LN h)) for every patch over the T frames, then
    base(h'): 5 d^2 parameters a block. Class tokens pass by. Attached with
    ``site='block'``.

    Args:
        base: The block.
        site: Where it stands.
        num_frames: T, frames of a clip.
        num_heads: Heads of the temporal attention, by default of 64 channels
            each.
    """
    sites = ('block', )
    needs = (FRAMES, TOKENS)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 num_heads: Optional[int] = None) -> None:
        super().__init__(base, site)
        self.images_per_clip = num_frames
        self.norm = nn.LayerNorm(site.dims, eps=1e-6)
        self.attn = nn.MultiheadAttention(
            site.dims, heads_of(site.dims, num_heads), batch_first=True)
        self.fc = nn.Linear(site.dims, site.dims)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        extra = self.site.extra_tokens
        y = as_clips(self.norm(x[:, extra:]), self.images_per_clip)
        tracks = y.transpose(1, 2).flatten(0, 1)  # B*N, T, C
        tracks, _ = self.attn(tracks, tracks, tracks, need_weights=False)
        y = tracks.unflatten(0, (y.shape[0], -1)).transpose(1, 2).flatten(0, 1)
        y = nn.functional.pad(self.fc(y), (0, 0, extra, 0))
        return self.base(x + y, *args, **kwargs)


@MODELS.register_module()
@checked
class FramePositions(StemAdapter):
    """Learnable positions in time, added to the tokens of each frame.

    At ``site='stem'`` the patches have them, at ``site='tokens'`` all tokens.
    They start at zero.

    Args:
        base: The module that puts the tokens out.
        site: Where it stands.
        num_frames: T, frames of a clip.

    Raises:
        ValueError: If ``num_frames`` is not positive.
    """

    sites = ('stem', 'tokens')

    def __init__(self, base: nn.Module, site: Site, num_frames: int) -> None:
        super().__init__(base, site)
        if num_frames < 1:
            raise ValueError(f'num_frames={num_frames} must be positive.')
        self.images_per_clip = num_frames
        self.positions = nn.Parameter(torch.zeros(num_frames, 1, site.dims))

    def adapt(self, tokens: Tensor, size: Optional[Tuple[int, int]]) -> Tensor:
        """``(B*T, N, C) -> same``."""
        clips = as_clips(tokens, self.images_per_clip)
        return (clips + self.positions).flatten(0, 1)

    def folded(self) -> None:
        """An addition costs nothing: it stays."""
        return None
