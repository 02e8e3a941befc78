"""What the heads of this package have in common."""
import torch
from mmaction.models import BaseHead
from torch import Tensor


class ClipHead(BaseHead):
    """MMAction2's head, whose classes may be several at a time.

    With ``multi_class`` the scores that ``average_clips='prob'`` makes are
    the probabilities of each class by itself, the mean over clips of
    ``sigmoid(score)``, and do not sum to one. ``BCELossWithLogits`` is the
    loss that goes with them.
    """

    def average_clip(self, cls_scores: Tensor, num_segs: int = 1) -> Tensor:
        """``(B*M, classes) -> (B, classes)``."""
        if self.multi_class and self.average_clips == 'prob':
            scores = torch.sigmoid(cls_scores)
            return scores.unflatten(0, (-1, num_segs)).mean(1)
        return super().average_clip(cls_scores, num_segs)
