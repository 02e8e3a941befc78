"""AIM: the frozen attention reused along time.

Paper: AIM: Adapting Image Models for Efficient Video Action Recognition, ICLR
2023. https://arxiv.org/abs/2302.03024
Official code: https://github.com/taoyang1122/adapt-image-models
This file has its temporal adaptation. Spatial adaptation is ``SerialAdapter``
at ``attn``, joint adaptation ``ParallelAdapter`` at ``mlp``, the temporal
embedding ``FramePositions`` at ``tokens``; ``configs/aim`` puts them together.
Departures: paths are dropped frame by frame; the release, whose tensors begin
with the positions, drops positions of the whole batch.
"""
from typing import Any, Optional

from mmaction.registry import MODELS
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ...options import checked
from ..shapes import as_clips
from ..sites import Site
from .base import FRAMES, FROZEN_ATTENTION, TOKENS, Adapter
from .bottleneck import Bottleneck


@MODELS.register_module()
@checked
class TemporalAdaptation(Adapter):
    """The block's own norm and attention along time, in front of the block.

    h' = h + A_T(MHA(LN h)), MHA attending among the T tokens at one position,
    the class token's included, then base(h'); with two adapters A_T(MHA(A_in(
    LN h))). A_in has a skip connection, A_T has none. Norm and attention are
    the frozen ones of the block, without the adapters around them. Attached
    with ``site='block'``.

    Args:
        base: The block.
        site: Where it stands.
        num_frames: T, frames of a clip.
        width: Channels of the bottlenecks, or None for a quarter of the
            tokens'.
        two: Whether there is an adapter in front of the attention as well.
        drop_path: Rate at which frames do without the adaptation in training,
            in the last block; it grows with the number of the block from 0.
        bottleneck: Further arguments of :class:`Bottleneck`.
    """
    sites = ('block', )
    needs = (FRAMES, TOKENS, FROZEN_ATTENTION)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 width: Optional[int] = None,
                 two: bool = False,
                 drop_path: float = 0.,
                 **bottleneck: Any) -> None:
        super().__init__(base, site)
        self.images_per_clip = num_frames
        width = site.dims // 4 if width is None else width
        self.adapter_in = Bottleneck(site.dims, width, **
                                     bottleneck) if two else None
        self.adapter = Bottleneck(site.dims, width, **bottleneck)
        self.drop_path = DropPath(site.share_of_depth * drop_path)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        clips = as_clips(self.site.norm(x), self.images_per_clip)
        tracks = clips.transpose(1, 2).flatten(0, 1)  # B*N, T, C
        if self.adapter_in is not None:
            tracks = tracks + self.adapter_in(tracks)
        y = self.adapter(self.site.attn(tracks))
        y = y.unflatten(0, (clips.shape[0], -1)).transpose(1, 2).flatten(0, 1)
        return self.base(x + self.drop_path(y), *args, **kwargs)
