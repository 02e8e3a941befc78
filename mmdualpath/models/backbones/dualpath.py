"""DualPath: one frozen image transformer, seen by two paths.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023.
https://arxiv.org/abs/2303.09857
The authors' code is a dump that does not run. Departures are named where they
are made: ``adapters/bottleneck.py`` and ``adapters/frameset_positions.py``.
"""
from typing import Mapping, Optional

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..adapters.base import Adapter
from .adapted import AdaptedBackbone
from .frozen import FrozenBackbone


@MODELS.register_module()
class DualPathBackbone(BaseModule):
    """Spatial and temporal path over one frozen backbone (Fig. 3).

    y = [y_SP; y_TP], where y_SP is the mean of the spatial path's outputs
    over the T_S frames (Eq. 8) and y_TP the mean of the temporal path's over
    the T_G framesets (Eq. 10). A backbone without a class token gives the
    mean of its tokens.

    Args:
        backbone: Config of the frozen backbone, with ``init_cfg``.
        spatial: Arguments of the spatial view (``adapters``, ``trainable``,
            ... of :class:`AdaptedBackbone`), or None for no spatial path.
        temporal: The same of the temporal view.
        with_cp: Whether both views recompute blocks in the backward pass.
        frozen_dtype: Type the frozen parameters are stored in.

    Raises:
        ValueError: If both paths are None, or the backbone has no weights.
    """

    def __init__(self,
                 backbone: Mapping,
                 spatial: Optional[Mapping] = None,
                 temporal: Optional[Mapping] = None,
                 with_cp: bool = False,
                 frozen_dtype: Optional[str] = None) -> None:
        super().__init__()
        views = dict(spatial=spatial, temporal=temporal)
        self.paths = tuple(k for k, view in views.items() if view is not None)
        if not self.paths:
            raise ValueError('spatial and temporal are both None: a dual-path '
                             'backbone needs one of them.')
        frozen = FrozenBackbone.build(backbone)
        for path in self.paths:
            self.add_module(
                path,
                AdaptedBackbone(
                    frozen,
                    with_cp=with_cp,
                    frozen_dtype=frozen_dtype,
                    **views[path]))

        self._images_per_clip = {
            path: {
                m.images_per_clip
                for m in getattr(self, path).modules()
                if isinstance(m, Adapter) and m.images_per_clip is not None
            }
            for path in self.paths
        }

    def init_weights(self) -> None:
        """Nothing: see :class:`AdaptedBackbone`."""
        self._is_init = True

    def forward(self,
                spatial: Optional[Tensor] = None,
                temporal: Optional[Tensor] = None) -> Tensor:
        """Features of a batch of clips.

        Args:
            spatial: Frames ``(B, T_S, 3, H, W)``.
            temporal: Framesets ``(B, T_G, 3, H', W')``.

        Returns:
            ``(B, p)`` for each path, concatenated: ``(B, 2p)``.

        Raises:
            ValueError: If the inputs are not those of the model's paths.
        """
        inputs = dict(spatial=spatial, temporal=temporal)
        given = tuple(k for k, v in inputs.items() if v is not None)
        if given != self.paths:
            raise ValueError(f'The model has the paths {self.paths}, but the '
                             f'inputs are for {given}.')
        return torch.cat(
            [self._mean_feature(path, inputs[path]) for path in self.paths],
            -1)

    def _mean_feature(self, path: str, images: Tensor) -> Tensor:
        expected = self._images_per_clip[path] | {images.shape[1]}
        if len(expected) > 1:
            raise ValueError(
                f'The {path} path reads {images.shape[1]} images of a clip, '
                f'but its adapters are set for {self._images_per_clip[path]}.')
        y = getattr(self, path)(images.flatten(0, 1))
        if y.dim(
        ) == 4:  # a map (N, C, h, w) of a backbone without class token
            y = y.flatten(2).mean(-1)
        return y.unflatten(0, images.shape[:2]).mean(1)
