"""DualPath: one frozen image transformer, seen by two paths.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023.
https://arxiv.org/abs/2303.09857
The authors' code is a dump that does not run. Departures are named where they
are made: ``adapters/bottleneck.py`` and ``adapters/frameset_positions.py``.
"""
from typing import Dict, Mapping, Optional, Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...options import checked
from ..adapters.base import Adapter
from .adapted import AdaptedBackbone
from .frozen import FrozenBackbone, matching


@MODELS.register_module()
@checked
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
        shared: Regular expressions over the backbone's parameter names; what
            matches and trains in both views is one parameter.
        with_cp: Whether both views recompute blocks in the backward pass.
        frozen_dtype: Type the frozen parameters are stored in.
        any_normalization: Whether the data preprocessor may deliberately
            normalise otherwise than the weights were trained with.

    Raises:
        ValueError: If both paths are None, the backbone has no weights, or
            what is to be shared does not train in both views.
    """

    def __init__(self,
                 backbone: Mapping,
                 spatial: Optional[Mapping] = None,
                 temporal: Optional[Mapping] = None,
                 shared: Sequence[str] = (),
                 with_cp: bool = False,
                 frozen_dtype: Optional[str] = None,
                 any_normalization: bool = False) -> None:
        super().__init__()
        views = dict(spatial=spatial, temporal=temporal)
        self.paths = tuple(k for k, view in views.items() if view is not None)
        if not self.paths:
            raise ValueError('spatial and temporal are both None: a dual-path '
                             'backbone needs one of them.')
        frozen = FrozenBackbone.build(backbone)
        for path in self.paths:
            options = dict(
                with_cp=with_cp,
                frozen_dtype=frozen_dtype,
                any_normalization=any_normalization)
            self.add_module(
                path, AdaptedBackbone(frozen, **{
                    **options,
                    **views[path]
                }))
        for name in matching(frozen.module, shared):
            self._share(name)

        self._images_per_clip = {
            path: {
                m.images_per_clip
                for m in view.modules()
                if isinstance(m, Adapter) and m.images_per_clip is not None
            }
            for path, view in self.views().items()
        }

    def views(self) -> Dict[str, nn.Module]:
        """The view of each path."""
        return {path: getattr(self, path) for path in self.paths}

    def _share(self, name: str) -> None:
        holder, _, leaf = f'base.{name}'.rpartition('.')
        owners = [v.get_submodule(holder) for v in self.views().values()]
        if len(owners) < 2 or not all(
                getattr(o, leaf).requires_grad for o in owners):
            raise ValueError(f'shared: {name} must train in both views.')
        setattr(owners[1], leaf, getattr(owners[0], leaf))

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
            ValueError: If the inputs are not those of the model's paths, or
                the backbone gives neither class tokens nor a map.
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
        return self.image_features(path, images).mean(1)

    def image_features(self, path: str, images: Tensor) -> Tensor:
        """Features of every image of a path, of which forward takes the mean.

        Args:
            path: ``spatial`` or ``temporal``.
            images: ``(B, T, 3, H, W)``.

        Returns:
            ``(B, T, p)``.

        Raises:
            ValueError: If a clip has other images than the adapters are set
                for, or the backbone gives neither class tokens nor a map.
        """
        expected = self._images_per_clip[path]
        if expected and expected != {int(images.shape[1])}:
            raise ValueError(
                f'The {path} path reads {images.shape[1]} images of a clip, '
                f'but its adapters are set for {expected}.')
        y = getattr(self, path)(images.flatten(0, 1))
        if y.dim() == 4:  # a map (N, C, h, w), where there is no class token
            y = y.flatten(2).mean(-1)
        if y.dim() != 2:
            raise ValueError(
                f'The {path} path needs a class token (N, C) or a map '
                f'(N, C, h, w) of every image, but its backbone gives '
                f'{tuple(y.shape)}: set its out_type accordingly.')
        return y.unflatten(0, images.shape[:2])

    def sees_images_alone(self, path: str) -> bool:
        """Whether features of an image of a path depend on that image alone.

        Otherwise they depend on the other images of the clip, or on the place
        of the image among them.
        """
        return self._images_per_clip[path] <= {1}


def views_of(backbone: nn.Module) -> Dict[str, nn.Module]:
    """The views of a model's backbone by path; a single one is ``frames``."""
    if isinstance(backbone, DualPathBackbone):
        return backbone.views()
    return dict(frames=backbone)
