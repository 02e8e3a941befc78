"""Framesets as a transform of any MMAction2 pipeline.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023.
https://arxiv.org/abs/2303.09857
"""
from typing import Dict, Optional, Sequence, Union

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from torch import Tensor

from ...framesets import Size, grid_framesets, spatial_indices
from ...options import checked


@TRANSFORMS.register_module()
@checked
class GridFrameset(BaseTransform):
    """Turn the frames of a clip into framesets.

    Stands after cropping, flipping and augmentation and before
    ``FormatShape``. The T frames of every clip (and every crop) become T_G
    framesets, which any recognizer reads as if they were frames.

    With ``num_spatial_frames`` it packs both inputs of a dual-path model
    instead; ``PackActionInputs(collect_keys=('spatial', 'temporal'))`` then
    follows directly. ``DualPathDataPreprocessor`` does the same on the device
    with equal results, and only T frames travel there.

    Required keys:
        imgs (list of ``(H, W, C)`` uint8 arrays), clip_len

    Modified keys:
        imgs, clip_len, img_shape (without ``num_spatial_frames``)

    Added keys:
        spatial ``(M, T_S, C, H, W)``, temporal ``(M, T_G, C, H', W')`` (with
        ``num_spatial_frames``), M being clips times crops

    Args:
        grid: Frames down and across a frameset, (h, w).
        size: Height and width of a frameset in pixels. Defaults to a frame's.
        num_spatial_frames: T_S, frames of the spatial path, or their numbers
            in the clip.

    Raises:
        ValueError: If the frames do not fill the framesets.
    """

    def __init__(
            self,
            grid: Size = 4,
            size: Optional[Size] = None,
            num_spatial_frames: Union[int, Sequence[int],
                                      None] = None) -> None:
        self.grid = grid
        self.size = size
        self.num_spatial_frames = num_spatial_frames

    def transform(self, results: Dict) -> Dict:
        """Build the framesets of all clips and crops."""
        clip_len = results['clip_len']
        shapes = sorted({img.shape for img in results['imgs']})
        if len(shapes) > 1:
            raise ValueError('All frames of a clip must have one size, given '
                             f'{shapes}.')
        if len(results['imgs']) % clip_len:
            raise ValueError(f'{len(results["imgs"])} frames are no whole '
                             f'number of clips of {clip_len} frames.')
        # (M * T, H, W, C) -> (M, T, C, H, W)
        frames = torch.from_numpy(np.stack(results['imgs']))
        frames = frames.movedim(-1, -3).unflatten(0, (-1, clip_len))
        framesets = grid_framesets(frames, self.grid, self.size)

        if self.num_spatial_frames is not None:
            keep = spatial_indices(clip_len, self.num_spatial_frames)
            results['spatial'] = frames[:, keep].contiguous()
            results['temporal'] = framesets
            return results

        results['imgs'] = _as_images(framesets)
        results['clip_len'] = framesets.shape[1]
        results['img_shape'] = tuple(framesets.shape[-2:])
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(grid={self.grid}, size={self.size}, '
                f'num_spatial_frames={self.num_spatial_frames})')


def _as_images(framesets: Tensor) -> list:
    """``(M, T_G, C, H, W)`` -> list of ``(H, W, C)`` arrays."""
    return list(framesets.flatten(0, 1).movedim(-3, -1).numpy())
