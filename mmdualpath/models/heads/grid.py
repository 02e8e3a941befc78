"""Heads side by side, for several learning rates and weight decays."""
from typing import Any, Dict, Mapping, Sequence

import torch
from mmaction.registry import MODELS
from mmaction.utils import SampleList
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...options import checked

SCORES = 'scores_of_heads'


@MODELS.register_module()
@checked
class HeadGrid(BaseModule):
    """Copies of one head on the same features, each with its own gradient.

    All begin with the same weights. ``GridConstructor`` gives each its
    learning rate and weight decay.

    Args:
        head: Config of the head.
        pairs: Learning rate and weight decay of each copy.

    Raises:
        ValueError: If there is no pair.
    """

    def __init__(self, head: Mapping,
                 pairs: Sequence[Sequence[float]]) -> None:
        super().__init__()
        if not pairs:
            raise ValueError('pairs is empty: give a learning rate and a '
                             'weight decay at least.')
        self.pairs = [tuple(pair) for pair in pairs]
        self.heads = nn.ModuleList(MODELS.build(dict(head)) for _ in pairs)
        self.num_classes = self.heads[0].num_classes

    def init_weights(self) -> None:
        """Those of the first head, for all."""
        self.heads[0].init_weights()
        for head in self.heads[1:]:
            head.load_state_dict(self.heads[0].state_dict())
        self._is_init = True

    def forward(self, x: Any, **kwargs) -> Tensor:
        """Scores of all heads, ``(heads, B*M, classes)``."""
        return torch.stack([head(x, **kwargs) for head in self.heads])

    def loss(self, feats: Any, data_samples: SampleList,
             **kwargs) -> Dict[str, Tensor]:
        """Losses of each head, whose sum has the gradient of each."""
        return {
            f'{number}.{name}': value
            for number, head in enumerate(self.heads)
            for name, value in head.loss(feats, data_samples, **
                                         kwargs).items() if 'loss' in name
        }

    def predict(self, feats: Any, data_samples: SampleList,
                **kwargs) -> SampleList:
        """Predictions of the last head, with the scores of all beside."""
        scores = []
        for head in self.heads:
            head.predict(feats, data_samples, **kwargs)
            scores.append([sample.pred_score for sample in data_samples])
        for sample, of_heads in zip(data_samples, zip(*scores)):
            sample.set_field(torch.stack(of_heads), SCORES)
        return data_samples

    def state_of(self, number: int, model: Mapping) -> Dict[str, Tensor]:
        """A model's tensors as they are with one of the heads alone.

        Args:
            number: Which head.
            model: ``state_dict`` of the model with all.
        """
        lead, own = 'cls_head.heads.', f'cls_head.heads.{number}.'
        return {
            name.replace(own, 'cls_head.', 1): tensor
            for name, tensor in model.items()
            if not name.startswith(lead) or name.startswith(own)
        }
