"""Divided space-time attention, track by track."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmdualpath.models.adapters import FramePositions, Site, TemporalAttention

B, T, N, C, HEADS = 2, 4, 5, 12, 3


def test_value():
    ta = TemporalAttention(
        nn.Tanh(), Site('block', C, 0, 1, 1), num_frames=T,
        num_heads=HEADS).double()
    for p in ta.parameters():
        nn.init.normal_(p, std=0.3)
    h = torch.randn(B, T, N, C, dtype=torch.float64)
    expected = h.clone()
    weights = ta.attn.in_proj_weight.chunk(3), ta.attn.in_proj_bias.chunk(3)
    for b in range(B):
        for n in range(1, N):  # the class token passes by
            x = F.layer_norm(h[b, :, n], (C, ), ta.norm.weight, ta.norm.bias,
                             1e-6)
            q, k, v = ((x @ w.T + bias).reshape(T, HEADS, -1).transpose(0, 1)
                       for w, bias in zip(*weights))
            y = ((q @ k.mT / 2).softmax(-1) @ v).transpose(0, 1).flatten(1)
            y = y @ ta.attn.out_proj.weight.T + ta.attn.out_proj.bias
            expected[b, :, n] += y @ ta.fc.weight.T + ta.fc.bias
    torch.testing.assert_close(
        ta(h.flatten(0, 1)),
        expected.flatten(0, 1).tanh())


def test_parameters():
    ta = TemporalAttention(nn.Identity(), Site('block', C, 0, 1, 1), T)
    assert sum(p.numel() for p in ta.parameters()) == 5 * C**2 + 7 * C


def test_frame_positions():

    class Stem(nn.Module):

        def forward(self, x):
            return x, (1, N)

    stem = FramePositions(Stem(), Site('stem', C, -1, 1, 1), num_frames=T)
    nn.init.normal_(stem.positions)
    x = torch.randn(B * T, N, C)
    tokens, size = stem(x)
    expected = torch.stack(
        [frame + stem.positions[i % T, 0] for i, frame in enumerate(x)])
    torch.testing.assert_close(tokens, expected)
    assert size == (1, N)


def test_heads_that_do_not_divide():
    with pytest.raises(ValueError, match='num_heads=5'):
        TemporalAttention(
            nn.Identity(), Site('block', C, 0, 1, 1), T, num_heads=5)
