"""Classes of several sizes are drawn alike."""
from collections import Counter
from unittest import mock

import pytest
import torch

from mmdualpath.datasets import BalancedSampler


class Labels(torch.utils.data.Dataset):
    """A data set of labels."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        return dict(label=self.labels[index])


def test_each_class_as_often():
    labels = [0] * 900 + [1] * 90 + [2] * 10
    draws = list(BalancedSampler(Labels(labels), seed=0))
    assert len(draws) == 1000
    counts = Counter(labels[i] for i in draws)
    # 1000 draws of a third each: four standard deviations are 60.
    assert all(abs(counts[c] - 1000 / 3) < 60 for c in range(3))
    # Drawn again, a video is augmented otherwise.
    assert len({draw.key for draw in draws}) == 1000


def test_the_rarest_of_several_labels_counts():
    labels = [torch.tensor([1., 0.])] * 98 + [torch.tensor([1., 1.])] * 2
    sampler = BalancedSampler(Labels(labels), seed=0)
    assert sampler.weights == pytest.approx([1 / 100] * 98 + [1 / 2] * 2)


def test_begins_anywhere_and_draws_anew_each_epoch():
    sampler = BalancedSampler(Labels([0] * 20 + [1] * 5), seed=3)
    first = [(int(d), d.key) for d in sampler]
    assert first == [(int(d), d.key) for d in sampler]
    sampler.start = 7
    assert [(int(d), d.key) for d in sampler] == first[7:]
    sampler.set_epoch(1)
    assert [(int(d), d.key) for d in sampler] != first[7:]


def test_processes_share_the_draws():
    data = Labels([0] * 20 + [1] * 5)
    alone = [(int(d), d.key) for d in BalancedSampler(data, seed=3)]
    parts = []
    for rank in range(2):
        with mock.patch(
                'mmengine.dataset.sampler.get_dist_info',
                return_value=(rank, 2)):
            parts.append([(int(d), d.key)
                          for d in BalancedSampler(data, seed=3)])
    together = [d for pair in zip(*parts) for d in pair]
    assert together[:25] == alone and len(together) == 26
