"""A classifier on top of the features of a clip.

What MMAction2's ``TimeSformerHead`` does with vectors and its ``I3DHead`` with
maps, under the same names of tensors, and what releases have besides:

AdaptFormer, NeurIPS 2022, normalises over the batch, as MAE's linear probing
does, in front of the FC. https://github.com/ShoufaChen/AdaptFormer
V-PETL, arXiv 2022, averages pairs of neighbouring frames and then the pairs.
https://github.com/bruceyo/V-PETL
"""
from typing import Any

import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..complete import require_complete
from .base import ClipHead


@MODELS.register_module()
@checked
class ClipMeanHead(ClipHead):
    """Mean over the map of a clip, then FC.

    A checkpoint that does not fill it, such as one of other classes, is
    refused.

    Args:
        num_classes: Number of classes.
        in_channels: Channels C of the features.
        dropout: Dropout rate in front of the FC.
        batch_norm: Whether the vectors are normalised over the batch, without
            parameters and with eps 1e-6, in front of the FC.
        pool_frames: Neighbouring frames k that are averaged at stride 1
            before the mean, which gives the first and last frames less
            weight: 1, 2, 2, 1 of 6 for k = 2 and a map of 4 frames. 1 is the
            plain mean.
        init_cfg: Initialisation of the layers.
        kwargs: Further arguments of MMAction2's ``BaseHead``.

    Raises:
        ValueError: If ``pool_frames`` is not positive.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 dropout: float = 0.,
                 batch_norm: bool = False,
                 pool_frames: int = 1,
                 init_cfg: dict = dict(
                     type='TruncNormal', layer='Linear', std=0.02),
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, init_cfg=init_cfg, **kwargs)
        if pool_frames < 1:
            raise ValueError(f'pool_frames={pool_frames}: give a positive '
                             'number of frames.')
        self.pool_frames = pool_frames
        self.bn = nn.BatchNorm1d(
            in_channels, eps=1e-6,
            affine=False) if batch_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(in_channels, num_classes)
        require_complete(self)

    def forward(self, x: Tensor, **kwargs) -> Tensor:
        """Scores ``(B, num_classes)``.

        Args:
            x: Vectors ``(B, C)`` or maps ``(B, C, T, H, W)``.

        Raises:
            ValueError: If they are neither, or have fewer frames than are to
                be averaged.
        """
        frames = x.shape[2] if x.dim() == 5 else 1
        if x.dim() not in (2, 5) or frames < self.pool_frames:
            raise ValueError(
                f'ClipMeanHead with pool_frames={self.pool_frames} reads '
                'vectors (B, C) or maps (B, C, T, H, W) of as many frames, '
                f'given {tuple(x.shape)}.')
        if self.pool_frames > 1:
            x = F.avg_pool3d(x, (self.pool_frames, 1, 1), stride=1)
        x = x.flatten(2).mean(2) if x.dim() == 5 else x
        return self.fc_cls(self.dropout(self.bn(x)))
