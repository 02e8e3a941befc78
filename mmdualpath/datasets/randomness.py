"""Random draws that depend on a few integers and on nothing else.

A sample's augmentation is a function of (seed, epoch, index), a training
step's dropout one of (seed, process, iteration). Neither depends on what was
drawn before, so a run that is stopped anywhere goes on as if it had not been.
"""
import random
from contextlib import contextmanager
from typing import Iterator

import numpy as np
import torch


def seed_all(*key: int) -> None:
    """Seed Python, numpy and torch on every device by some integers >= 0."""
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(words.tobytes())
    np.random.seed(words)
    torch.manual_seed(int(words[0]) << 32 | int(words[1]))


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seed what draws on the CPU, and afterwards go on as if it were not."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    words = np.random.SeedSequence(key).generate_state(4)
    random.seed(words.tobytes())
    np.random.seed(words)
    torch.default_generator.manual_seed(int(words[0]) << 32 | int(words[1]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class Draw(int):
    """The index of a sample, and the key of all that is random about it.

    It travels from the sampler to the worker that reads the sample, so it
    also reaches workers that live for the whole training. Wrappers that
    compute the index in the data set they hold, as ``RepeatDataset`` and
    ``ConcatDataset`` do, hand the key on.
    """

    def __new__(cls, index: int, key: tuple = ()) -> 'Draw':
        draw = super().__new__(cls, index)
        draw.key = key
        return draw

    def __getnewargs__(self) -> tuple:
        return int(self), self.key

    def __sub__(self, other: int) -> 'Draw':
        return Draw(int(self) - other, self.key)

    def __mod__(self, other: int) -> 'Draw':
        return Draw(int(self) % other, self.key)
