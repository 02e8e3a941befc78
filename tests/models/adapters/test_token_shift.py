"""Space-time mixing attention, channel by channel."""
import pytest
import torch
from torch import nn

from mmdualpath.models.adapters import Site, TokenShift

B, T, N, HEADS, WIDTH = 2, 4, 3, 2, 6
C = HEADS * WIDTH


def shifted(base, **kwargs):
    return TokenShift(
        base, Site('qkv', C, 0, 1, 1), num_frames=T, num_heads=HEADS, **kwargs)


def test_value():
    base = nn.Linear(C, 3 * C)
    x = torch.randn(B * T, N, C)
    expected = base(x).reshape(B, T, N, 3, HEADS, WIDTH)
    source = expected.clone()
    for t in range(T):
        for kv in (1, 2):
            for channel in range(WIDTH):
                step = (channel >= 4) - (channel < 2)  # thirds of a head
                neighbour = min(max(t + step, 0), T - 1)
                expected[:, t, :, kv, :, channel] = source[:, neighbour, :,
                                                           kv, :, channel]
    torch.testing.assert_close(
        shifted(base)(x), expected.reshape(B * T, N, -1))


def test_no_share_is_no_shift():
    base, x = nn.Linear(C, 3 * C), torch.randn(B * T, N, C)
    assert torch.equal(shifted(base, share=0.)(x), base(x))


@pytest.mark.parametrize('site, kwargs, match', [
    (Site('attn', C, 0, 1, 1), {}, "site='attn'"),
    (Site('qkv', C, 0, 1, 0, row='window'), {}, 'a row is a window'),
    (Site('qkv', C, 0, 1, 1), dict(share=0.6), 'share=0.6'),
])
def test_mistakes(site, kwargs, match):
    with pytest.raises(ValueError, match=match):
        TokenShift(nn.Identity(), site, num_frames=T, **kwargs)
