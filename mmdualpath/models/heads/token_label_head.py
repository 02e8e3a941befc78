"""The head that learns what a teacher says of every location.

Paper: All Tokens Matter: Token Labeling for Training Better Vision
Transformers, NeurIPS 2021. https://arxiv.org/abs/2104.10858
As DualFormer uses it (ECCV 2022, supplement B.2), without MixToken.
https://github.com/sail-sg/dualformer
Departures: a label is the softmax of the kept scores alone; the release sets
the others to zero before its softmax, which gives each the weight of a score
of zero. How much of the label that takes depends on the scale of the scores:
of 400 classes and five equal scores, half where they are 4.4 and a hundredth
where they are 9. The release also halves the loss of the classes, so that both
losses weigh alike; here that is ``loss_weight=1``.
"""
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ..complete import require_complete


@MODELS.register_module()
class TokenLabelHead(BaseModule):
    """Classifies every location of a map, C -> 2C -> 4C -> classes.

    ``L = weight * mean_p CE(s_p, softmax(top_k(t_p)))`` over the locations p,
    s_p being the student's and t_p the teacher's class scores there.

    Args:
        num_classes: Number of classes.
        in_channels: Channels C of the map.
        topk: Scores of the teacher that are kept at a location.
        loss_weight: Weight of the loss.
        dropout: Dropout rate after the first two layers.
        init_cfg: Initialisation of the layers.

    Raises:
        ValueError: If there are not ``topk`` classes.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        topk: int = 5,
        loss_weight: float = 0.5,
        dropout: float = 0.5,
        init_cfg: dict = dict(type='TruncNormal', layer='Linear', std=0.02)
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if not 1 <= topk <= num_classes:
            raise ValueError(f'topk={topk}: give a number from 1 to the '
                             f'{num_classes} classes.')
        self.topk = topk
        self.loss_weight = loss_weight
        self.layers = nn.Sequential(
            nn.Linear(in_channels, 2 * in_channels), nn.ReLU(),
            nn.Dropout(dropout), nn.Linear(2 * in_channels, 4 * in_channels),
            nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(4 * in_channels, num_classes))
        require_complete(self)

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, *S) -> (B, classes, *S)``."""
        return self.layers(maps.movedim(1, -1)).movedim(-1, 1)

    def labels(self, scores: Tensor) -> Tensor:
        """The teacher's scores to labels: ``(B, classes, *S) -> same``."""
        kept = scores.topk(self.topk, dim=1)
        return torch.zeros_like(scores).scatter(1, kept.indices,
                                                kept.values.softmax(1))

    def loss(self, maps: Tensor, scores: Tensor) -> Tensor:
        """Loss of a batch.

        Args:
            maps: The student's map ``(B, C, *S)``.
            scores: The teacher's scores ``(B, classes, *S')``; a map of
                another size is averaged or repeated to the student's.

        Raises:
            ValueError: If one of them is no map, or they differ in axes.
        """
        if maps.dim() < 3 or maps.dim() != scores.dim():
            raise ValueError(
                'Token labelling needs a map of tokens (B, C, T, H, W) from '
                'the backbone and one from the teacher, given '
                f'{tuple(maps.shape)} and scores {tuple(scores.shape)}.')
        if maps.shape[2:] != scores.shape[2:]:
            pool = getattr(F, f'adaptive_avg_pool{maps.dim() - 2}d')
            scores = pool(scores, maps.shape[2:])
        # In float32: under autocast the scores are of half precision.
        return self.loss_weight * F.cross_entropy(
            self(maps).float(), self.labels(scores.float()))
