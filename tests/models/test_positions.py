"""Sine-cosine tables, written out channel by channel."""
import math

import pytest
import torch

from mmdualpath.models.positions import sincos, sincos_nd


def test_sincos_channel_by_channel():
    table = sincos(torch.tensor([0., 1.5, 7.]), 6)
    for row, position in zip(table, (0., 1.5, 7.)):
        for i in range(3):
            angle = position / 10000**(2 * i / 6)
            assert row[i].item() == pytest.approx(math.sin(angle))
            assert row[3 + i].item() == pytest.approx(math.cos(angle))


@pytest.mark.parametrize('dims', [6, 48, 64, 768, 1024])
def test_axes_share_the_channels(dims):
    t, y, x = torch.rand(3, 5) * 10
    table = sincos_nd([t, y, x], dims)
    assert table.shape == (5, dims)
    share = dims // 6 * 2
    first = (dims - 2 * share) // 2 * 2
    expected = torch.cat(
        [sincos(t, first),
         sincos(y, share),
         sincos(x, share)], -1).float()
    torch.testing.assert_close(table[:, :expected.shape[1]], expected)
    assert not table[:, expected.shape[1]:].any()


def test_too_narrow():
    with pytest.raises(ValueError, match='at least 6'):
        sincos_nd([torch.zeros(1)] * 3, 5)
