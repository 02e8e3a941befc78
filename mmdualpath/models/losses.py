"""Losses for classes of several sizes."""
from typing import Any, Sequence

import torch
from mmaction.models.losses import CrossEntropyLoss
from mmaction.registry import MODELS
from torch import Tensor

from ..options import checked


@MODELS.register_module()
@checked
class LogitAdjustedLoss(CrossEntropyLoss):
    """Cross-entropy as if every class were as frequent as any other.

    Long-tail learning via logit adjustment (ICLR 2021), Eq. 10: the
    logarithm of each class's share of the training data is added to the
    logits in training, so that the model need not learn it. In testing
    nothing is added.

    Args:
        counts: Training samples of each class.
        tau: Times which the logarithm is added.
        loss_weight: Factor of the loss.

    Raises:
        ValueError: If a class has no sample, there are logits of another
            number of classes, or labels of several classes at a time.
    """

    def __init__(self,
                 counts: Sequence[int],
                 tau: float = 1.,
                 loss_weight: float = 1.) -> None:
        super().__init__(loss_weight=loss_weight)
        if not counts or min(counts) < 1:
            raise ValueError(f'counts={list(counts)}: every class needs a '
                             'sample.')
        shares = torch.tensor(counts, dtype=torch.float32)
        self.adjustment = tau * (shares / shares.sum()).log()

    def _forward(self, cls_score: Tensor, label: Tensor,
                 **kwargs: Any) -> Tensor:
        adjustment = self.adjustment.to(cls_score.device)
        if cls_score.shape[-1] != len(adjustment):
            raise ValueError(f'counts of {len(adjustment)} classes, logits of '
                             f'{cls_score.shape[-1]}.')
        mixed = label.shape == cls_score.shape
        if mixed and (label.sum(1) - 1).abs().max() > 1e-3:
            raise ValueError('Labels of a sample sum to one here. Where '
                             'classes may be several at a time, '
                             'BCELossWithLogits is the loss.')
        return super()._forward(cls_score + adjustment, label, **kwargs)
