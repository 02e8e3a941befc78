"""Positions of a frameset's tokens in time and space.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023,
Sec. 4.2 (p_TP). https://arxiv.org/abs/2303.09857
Departures: the paper names fixed 3-D encodings without their formula; here
time, y and x share the channels. The authors' own dump adds a 1-D sinusoid
of the frame number to a trainable embedding: :class:`FrameIndexPositions`.
"""
from typing import Dict, Tuple

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...framesets import Size, to_pair
from ..positions import sincos_nd
from .base import Adapter, Site


class _StemPositions(Adapter):
    """Adds a fixed table to the patch tokens that the stem puts out.

    Args:
        base: The patch embedding.
        site: Where it stands.
        num_framesets: T_G, framesets of a clip; time runs on over them.
        grid: Frames down and across a frameset, (h, w).
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_framesets: int = 1,
                 grid: Size = 4) -> None:
        super().__init__(base, site)
        if num_framesets < 1:
            raise ValueError(f'num_framesets={num_framesets}: a clip has at '
                             'least one frameset.')
        self.images_per_clip = num_framesets
        self.grid = to_pair(grid, 'grid')
        # A table depends on nothing but the size of the map of patches.
        self._tables: Dict[tuple, Tensor] = {}

    def table(self, height: int, width: int, device: torch.device) -> Tensor:
        """Positions ``(T_G, H*W, C)`` of a map of H x W patches."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tuple[Tensor, Tuple[int, int]]:
        """``(B*T_G, 3, H', W')`` -> tokens ``(B*T_G, N, C)`` and map size."""
        tokens, (height, width) = self.base(x)
        if len(tokens) % self.images_per_clip:
            raise ValueError(
                f'A batch of {len(tokens)} framesets is no multiple of '
                f'num_framesets={self.images_per_clip}, the framesets a clip '
                'has in this model.')
        key = (height, width, tokens.device, tokens.dtype)
        if key not in self._tables:
            with torch.inference_mode(False):  # training reads it as well
                table = self.table(height, width, tokens.device)
                self._tables[key] = table.to(tokens.dtype)
        tokens = tokens.unflatten(0, (-1, self.images_per_clip))
        return (tokens + self._tables[key]).flatten(0, 1), (height, width)


@MODELS.register_module()
class FramesetPositions(_StemPositions):
    """Fixed 3-D sine-cosine positions (frame time, y, x), p_TP.

    Every token of a frameset gets one vector: the number of its frame in the
    clip and the place of the patch's centre inside that frame, in patches. A
    frame may be a fraction of a patch wide (56 pixels are 3.5 patches of 16),
    so a patch belongs to the frame its centre lies in.

    The pretrained position embedding is switched off beside it, by
    ``zero=['pos_embed']`` of the view. Arguments as in the paper's notation:
    ``num_framesets`` T_G and ``grid`` (h, w).
    """

    def table(self, height: int, width: int, device: torch.device) -> Tensor:
        """Positions ``(T_G, H*W, C)`` of a map of H x W patches."""
        rows, columns = self.grid

        def frame_and_place(patches: int, frames: int):
            centre = torch.arange(patches, device=device) + 0.5
            frame = (centre * frames / patches).floor()
            return frame, centre - frame * patches / frames

        row, y = frame_and_place(height, rows)
        column, x = frame_and_place(width, columns)
        frameset = torch.arange(self.images_per_clip, device=device)
        time = (frameset[:, None, None] * rows + row[:, None]) * columns \
            + column
        axes = torch.broadcast_tensors(time, y[:, None], x)
        return sincos_nd([a.flatten(1) for a in axes], self.site.dims)


@MODELS.register_module()
class FrameIndexPositions(_StemPositions):
    """A 1-D sinusoid of the frame number, as in the authors' dump.

    One vector per frame, laid out as the frames are and resized to the map of
    patches. Goes with a trainable position embedding:
    ``trainable=['cls_token', 'pos_embed']`` of the view. Arguments as
    :class:`FramesetPositions`.
    """

    def table(self, height: int, width: int, device: torch.device) -> Tensor:
        """Positions ``(T_G, H*W, C)`` of a map of H x W patches."""
        rows, columns = self.grid
        time = torch.arange(
            self.images_per_clip * rows * columns, device=device)
        frames = sincos_nd([time], self.site.dims)
        frames = frames.unflatten(0, (-1, rows, columns)).movedim(-1, 1)
        maps = F.interpolate(frames, size=(height, width), mode='bilinear')
        return maps.flatten(2).transpose(1, 2)
