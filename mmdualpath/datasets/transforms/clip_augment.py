"""Augmentation that treats all frames of a clip alike.

torchvision's ``transforms.v2`` draws its parameters once for a whole video
tensor; this is the door to it from an MMAction2 pipeline.
"""
from typing import Dict, Sequence

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from ...augmentation import Clip, build_augmentation
from ...options import checked


@TRANSFORMS.register_module()
@checked
class ClipAugment(BaseTransform):
    """Apply ``torchvision.transforms.v2`` to a clip as one video.

    The option ``augment`` of ``DualPathDataPreprocessor`` does the same on the
    device.

    Required keys:
        imgs (list of ``(H, W, C)`` uint8 arrays)

    Modified keys:
        imgs ``(T, H, W, C)``, img_shape

    Args:
        transforms: One dict per transform, ``type`` being its name in
            ``torchvision.transforms.v2`` and the rest its arguments, such as
            ``dict(type='RandAugment', num_ops=2, magnitude=9)`` or
            ``dict(type='RandomErasing', p=0.25)``. An interpolation may be
            given by name.

    Raises:
        ValueError: If torchvision has no transform of that name.

    Examples:
        >>> augment = ClipAugment([dict(type='RandAugment')])
        >>> results = augment.transform(dict(imgs=frames))
    """

    def __init__(self, transforms: Sequence[dict]) -> None:
        self.transforms = build_augmentation(transforms)

    def transform(self, results: Dict) -> Dict:
        """Augment all frames with one draw of parameters."""
        clip = torch.from_numpy(np.stack(results['imgs'])).movedim(-1, -3)
        # On whole planes colour and contrast are several times as fast.
        clip = self.transforms(Clip(clip.contiguous()))
        # Left as one array, which FormatShape does not copy once more.
        results['imgs'] = clip.movedim(-3, -1).numpy()
        results['img_shape'] = results['imgs'].shape[1:3]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms})'
