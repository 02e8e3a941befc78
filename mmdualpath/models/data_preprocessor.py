"""Both inputs of a dual-path model, built on the device."""
from typing import Dict, List, Optional, Sequence, Tuple, Union

import torch
from mmaction.models import ActionDataPreprocessor
from mmaction.registry import MODELS
from mmaction.utils import SampleList
from torch import Tensor

from ..augmentation import augment_batch, build_augmentation
from ..framesets import (Size, grid_framesets, num_framesets, spatial_indices,
                         to_pair)
from ..options import checked


@MODELS.register_module()
@checked
class DualPathDataPreprocessor(ActionDataPreprocessor):
    """Split a clip into spatial frames and framesets, then normalise both.

    A clip's T frames travel to the device once, as uint8; framesets are built
    there. Inputs that ``GridFrameset`` has already split pass through.

    Args:
        num_spatial_frames: T_S, or the numbers of the spatial frames in the
            clip, or None for a model without spatial path.
        grid: Frames down and across a frameset, (h, w), or None for a model
            without temporal path.
        frameset_size: Pixels of a frameset. Defaults to a frame's size.
        mean: Pixel mean of each channel.
        std: Pixel standard deviation of each channel.
        to_rgb: Whether to swap the channels from BGR to RGB.
        blending: Batch blending of MMAction2 (Mixup, CutMix), applied to the
            clip before it is split.
        augment: The ``transforms`` of ``ClipAugment``, applied in training to
            each clip on the device, with its own draws, before blending.

    Raises:
        ValueError: If both paths are switched off, or one of ``mean`` and
            ``std`` is missing, or torchvision lacks a transform.
    """

    def __init__(self,
                 num_spatial_frames: Union[int, Sequence[int], None] = 8,
                 grid: Optional[Size] = 4,
                 frameset_size: Optional[Size] = None,
                 mean: Optional[List[float]] = None,
                 std: Optional[List[float]] = None,
                 to_rgb: bool = False,
                 blending: Optional[dict] = None,
                 augment: Optional[Sequence[dict]] = None) -> None:
        if (mean is None) != (std is None):
            raise ValueError(f'mean={mean} and std={std}: give both or none.')
        super().__init__(
            mean=mean,
            std=std,
            to_rgb=to_rgb,
            blending=blending,
            format_shape='NCTHW')
        if num_spatial_frames is None and grid is None:
            raise ValueError('num_spatial_frames and grid are both None: a '
                             'dual-path model needs one of its paths.')
        self.num_spatial_frames = num_spatial_frames
        self.grid = None if grid is None else to_pair(grid, 'grid')
        self.frameset_size = frameset_size
        self.augmentation = build_augmentation(augment) if augment else None

    def preprocess(self,
                   inputs: Union[Tensor, List[Tensor], Dict[str,
                                                            List[Tensor]]],
                   data_samples: SampleList,
                   training: bool = False) -> Tuple[Dict, SampleList]:
        """Stack, split and normalise a batch.

        Args:
            inputs: One ``(M, C, T, H, W)`` tensor a video, in a list or
                stacked, or the output of ``GridFrameset`` by name. M is clips
                times crops.
            data_samples: Labels of the batch.
            training: Whether augmentation and blending apply.

        Returns:
            ``spatial`` ``(B, M, T_S, C, H, W)`` and ``temporal``
            ``(B, M, T_G, C, H', W')``, normalised, and the data samples.
        """
        if isinstance(inputs, dict):
            if training and (self.blending or self.augmentation):
                raise ValueError('blending and augment need whole clips: '
                                 'leave the split to '
                                 'DualPathDataPreprocessor.')
            views = {k: torch.stack(list(v)) for k, v in inputs.items()}
        else:
            clips = inputs if isinstance(inputs, Tensor) else _stacked(inputs)
            if training and self.augmentation is not None:
                clips = augment_batch(clips, self.augmentation)
            if training and self.blending is not None:
                clips, data_samples = self.blending(clips, data_samples)
            views = self.split(clips.transpose(2, 3))
        return {k: self._normalise(v) for k, v in views.items()}, data_samples

    def split(self, clips: Tensor) -> Dict[str, Tensor]:
        """``(B, M, T, C, H, W)`` -> the input of each path."""
        views = {}
        if self.num_spatial_frames is not None:
            keep = spatial_indices(clips.shape[2], self.num_spatial_frames)
            views['spatial'] = clips[:, :, keep]
        if self.grid is not None:
            views['temporal'] = grid_framesets(clips, self.grid,
                                               self.frameset_size)
        return views

    def images_of(self, num_frames: int) -> Dict[str, int]:
        """Images that each path reads of a clip of T frames.

        Raises:
            ValueError: If the clip does not fill framesets, or T_S does not
                divide it.
        """
        images = {}
        if self.num_spatial_frames is not None:
            images['spatial'] = len(
                spatial_indices(num_frames, self.num_spatial_frames))
        if self.grid is not None:
            images['temporal'] = num_framesets(num_frames, self.grid)
        return images

    def _normalise(self, images: Tensor) -> Tensor:
        if self.to_rgb:
            images = images.flip(-3)
        if not self._enable_normalize:
            return images.float()
        mean, std = self.mean.view(-1, 1, 1), self.std.view(-1, 1, 1)
        return (images - mean) / std


def _stacked(clips: List[Tensor]) -> Tensor:
    shapes = sorted({tuple(clip.shape) for clip in clips})
    if len(shapes) > 1:
        raise ValueError(
            f'The clips of a batch are of several sizes, {shapes} '
            '(M, C, T, H, W): the pipeline must crop or resize them '
            'to one.')
    return torch.stack(list(clips))
