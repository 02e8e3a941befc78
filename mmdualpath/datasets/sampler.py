"""A sampler that can begin in the middle of an epoch."""
from itertools import islice
from typing import Iterator

from mmengine.dataset import DefaultSampler
from mmengine.registry import DATA_SAMPLERS

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
