"""Pro-tuning against Eq. 5 of the DualPath paper."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmdualpath.models.adapters import ProTuning, Site

C, WIDTH = 8, 3


class Block(nn.Module):

    def forward(self, x, hw_shape=None):
        return 2 * x


@pytest.mark.parametrize('extra, size, args', [(1, (4, 4), ()),
                                               (0, (2, 6), ((2, 6), ))])
def test_value(extra, size, args):
    site = Site('block', C, 0, 1, extra, windows=bool(args))
    tuning = ProTuning(Block(), site, width=WIDTH)
    for p in tuning.parameters():
        nn.init.normal_(p)
    height, width = size
    x = torch.randn(2, extra + height * width, C)
    (w1, b1), (w5, b5), (w2, b2) = ((c.weight, c.bias) for c in tuning.conv)
    expected = 2 * x
    h = expected[:, extra:].reshape(2, height, width, C)
    u = F.pad(h @ w1[:, :, 0, 0].T + b1, (0, 0, 2, 2, 2, 2))
    filtered = torch.stack([
        torch.stack([(u[:, y:y + 5, x:x + 5] * w5[:, 0].permute(1, 2, 0)).sum(
            (1, 2)) + b5 for x in range(width)], 1) for y in range(height)
    ], 1)
    v = F.gelu(filtered @ w2[:, :, 0, 0].T + b2)
    expected = torch.cat((expected[:, :extra], (h + v).flatten(1, 2)), 1)
    torch.testing.assert_close(
        tuning(x, *args), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('kwargs', [dict(width=0), dict(kernel_size=4)])
def test_mistakes(kwargs):
    with pytest.raises(ValueError, match='odd'):
        ProTuning(Block(), Site('block', C, 0, 1, 1), **kwargs)


def test_patches_must_form_a_map():
    tuning = ProTuning(Block(), Site('block', C, 0, 1, 1))
    with pytest.raises(ValueError, match='square'):
        tuning(torch.randn(1, 11, C))
