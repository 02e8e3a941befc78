"""Samplers that can begin in the middle of an epoch."""
from collections import Counter
from itertools import islice
from typing import Any, Iterator, List

import torch
from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Dataset, WeightedRandomSampler

from ..options import checked
from .randomness import Draw


@DATA_SAMPLERS.register_module()
@checked
class ResumableSampler(DefaultSampler):
    """MMEngine's sampler, whose indices know their seed and can be skipped.

    The order is that of ``DefaultSampler``. ``ExactResumeHook`` sets
    ``start``. The seed of a sample does not depend on the process that reads
    it.

    Attributes:
        start: How many samples of this process to leave out.
    """

    start = 0

    def __iter__(self) -> Iterator[Draw]:
        """Indices of this process, from ``start`` on."""
        for index in islice(super().__iter__(), self.start, None):
            yield Draw(index, (self.seed, self.epoch, index))


@DATA_SAMPLERS.register_module()
@checked
class BalancedSampler(ResumableSampler):
    """Draws every class as often as any other, by PyTorch's sampler.

    An epoch has as many samples as the data set, drawn with replacement. Of a
    video with several labels the rarest counts. Each time that a video is
    drawn it is augmented otherwise.

    Args:
        dataset: With a ``label`` in ``get_data_info``, a number, or one-hot.
        args: As ``DefaultSampler``.
        kwargs: As ``DefaultSampler``.
    """

    def __init__(self, dataset: Dataset, *args: Any, **kwargs: Any) -> None:
        super().__init__(dataset, *args, **kwargs)
        labels = [
            labels_of(dataset.get_data_info(i)['label'])
            for i in range(len(dataset))
        ]
        counts = Counter(label for row in labels for label in row)
        self.weights = [
            max((1 / counts[label] for label in row), default=0.)
            for row in labels
        ]

    def __iter__(self) -> Iterator[Draw]:
        """Indices of this process, from ``start`` on."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        draws = enumerate(
            WeightedRandomSampler(
                self.weights, self.total_size, generator=generator))
        own = islice(draws, self.rank, None, self.world_size)
        for place, index in islice(own, self.start, None):
            yield Draw(index, (self.seed, self.epoch, place))


def labels_of(label: object) -> List[int]:
    """The classes of a sample, from a number or from one-hot."""
    if isinstance(label, torch.Tensor):
        return label.nonzero().flatten().tolist()
    return [int(label)]
