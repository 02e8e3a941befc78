"""TIA: a bottleneck that mixes neighbouring frames, behind a block.

Paper: End-to-End Temporal Action Detection with 1B Parameters Across 1000
Frames (AdaTAD), CVPR 2024. https://arxiv.org/abs/2311.17241
Official code: https://github.com/sming256/OpenTAD
Departures: on networks of frames the class tokens of the frames are a track
of their own; the paper's backbone has none.
"""
import math
from typing import Any, Optional

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..shapes import as_clips
from ..sites import Site
from .base import TOKENS, Adapter, Need
from .bottleneck import Bottleneck

TIME_FIRST = Need('frames, or clips whose tokens are in the order of time',
                  lambda s: s.row == 'frame' or not s.windows,
                  lambda s: 'blocks attend in regions of a clip')


@MODELS.register_module()
@checked
class TIA(Adapter):
    """Temporal-informative adapter, on top of a module.

    y = f(x), u = act(down y), y + gamma * up(u + conv(dwconv(u))): between
    the projections a depth-wise convolution over the T tokens at one
    position and a point-wise one. ``up`` starts at zero. Attached with
    ``site='block'``.

    Args:
        base: The module that is adapted.
        site: Where it stands.
        num_frames: T, tokens of a position: frames of a clip, or of a clip
            that is one row of the batch the tubes along time.
        width: Channels of the bottleneck, or None for a quarter of the
            tokens'.
        kernel_size: Tokens of the convolution over time.
        init: How ``down`` starts, as of :class:`Bottleneck`.
        bottleneck: Further arguments of :class:`Bottleneck`.

    Raises:
        ValueError: If the kernel is even, or the tokens of a clip do not
            belong to ``num_frames``.
    """
    sites = ('block', )
    needs = (TOKENS, TIME_FIRST)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 width: Optional[int] = None,
                 kernel_size: int = 3,
                 init: str = 'trunc_normal_down',
                 **bottleneck: Any) -> None:
        super().__init__(base, site)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'kernel_size={kernel_size} must be odd.')
        self.num_frames = num_frames
        self.images_per_clip = num_frames if site.row == 'frame' else None
        width = site.dims // 4 if width is None else width
        self.adapter = Bottleneck(site.dims, width, init=init, **bottleneck)
        self.depthwise = nn.Conv1d(
            width, width, kernel_size, padding=kernel_size // 2, groups=width)
        self.pointwise = nn.Conv1d(width, width, 1)
        self.gamma = nn.Parameter(torch.ones(1))
        nn.init.normal_(self.depthwise.weight, std=math.sqrt(2 / kernel_size))
        nn.init.normal_(self.pointwise.weight, std=math.sqrt(2 / width))
        for conv in (self.depthwise, self.pointwise):
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``, or clips ``(B, T*N, C) -> same``."""
        y = self.base(x, *args, **kwargs)
        u = self.adapter.act(self.adapter.down(y))
        if self.images_per_clip:
            clips = as_clips(u, self.num_frames)
        elif u.shape[1] % self.num_frames:
            raise ValueError(f'{u.shape[1]} tokens of a clip do not belong to '
                             f'num_frames={self.num_frames}.')
        else:
            clips = u.unflatten(1, (self.num_frames, -1))
        tracks = clips.permute(0, 2, 3, 1)  # B, N, width, T
        mixed = self.pointwise(self.depthwise(tracks.flatten(0, 1)))
        mixed = mixed.unflatten(0, tracks.shape[:2]).permute(0, 3, 1, 2)
        u = self.adapter.dropout(u + mixed.reshape(u.shape))
        return y + self.gamma * self.adapter.up(u)
