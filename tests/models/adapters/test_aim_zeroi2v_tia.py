"""AIM's, ZeroI2V's and AdaTAD's adapters by themselves."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmdualpath.models.adapters import (STDHA, TIA, FramePositions,
                                        ParallelAdapter, Site,
                                        TemporalAdaptation)

B, T, N, C, HEADS = 2, 4, 5, 12, 3


def tokens() -> torch.Tensor:
    return torch.randn(B * T, N, C, dtype=torch.float64)


def stirred(adapter: nn.Module) -> nn.Module:
    adapter = adapter.double()
    for name, p in adapter.named_parameters():
        if not name.startswith('base.'):
            nn.init.normal_(p, std=0.5)
    return adapter


@pytest.mark.parametrize('offsets', [(-1, 1), (-1, 1, -2), (9, ), ()])
def test_stdha(offsets):
    base = nn.Linear(C, 3 * C).double()
    x = tokens()
    stdha = STDHA(
        base,
        Site('qkv', C, 0, 1, 1),
        num_frames=T,
        num_heads=HEADS,
        offsets=offsets)
    expected = base(x).reshape(B, T, N, 3, HEADS, C // HEADS)
    source = expected.clone()
    for head, offset in enumerate(offsets):
        for t in range(T):
            other = t + offset if 0 <= t + offset < T else t
            expected[:, t, :, 1:, head] = source[:, other, :, 1:, head]
    assert torch.equal(stdha(x), expected.reshape(B * T, N, 3 * C))
    assert not [n for n, _ in stdha.named_parameters() if 'base' not in n]


class Mix(nn.Module):
    """Stands for an attention: mixes the tokens of a set."""

    def forward(self, x):
        return x.cumsum(1) / (1 + x.abs().sum(1, keepdim=True))


@pytest.mark.parametrize('two', [False, True])
def test_temporal_adaptation(two):
    norm = nn.LayerNorm(C).double()
    nn.init.normal_(norm.weight)
    site = Site('block', C, 2, 3, 1, norm=norm, attn=Mix())
    aim = TemporalAdaptation(nn.Tanh(), site, num_frames=T, two=two)
    assert aim.adapter.down.out_features == C // 4
    h = tokens()
    torch.testing.assert_close(aim.double()(h), h.tanh())
    aim = stirred(aim)

    def bottleneck(y, name):
        part = getattr(aim, name)
        return F.linear(
            F.gelu(F.linear(y, part.down.weight, part.down.bias)),
            part.up.weight, part.up.bias)

    expected = h.clone().view(B, T, N, C)
    for b in range(B):
        for n in range(N):  # the class token as well
            y = norm(h.view(B, T, N, C)[b, :, n])
            if two:
                y = y + bottleneck(y, 'adapter_in')
            expected[b, :, n] += bottleneck(Mix()(y[None])[0], 'adapter')
    torch.testing.assert_close(aim(h), expected.flatten(0, 1).tanh())


@pytest.mark.parametrize('block, rate', [(0, 0.), (2, 0.25), (4, 0.5)])
def test_paths_are_dropped_more_often_in_later_blocks(block, rate):
    site = Site('block', C, block, 5, norm=nn.Identity(), attn=nn.Identity())
    for adapter in (TemporalAdaptation(
            nn.Identity(), site, num_frames=T, drop_path=0.5),
                    ParallelAdapter(nn.Identity(), site, drop_path=0.5)):
        assert adapter.drop_path.drop_prob == pytest.approx(rate)
        stirred(adapter).train()
        x = torch.randn(400 * T, N, C, dtype=torch.float64)
        kept = (adapter(x) != x).flatten(1).any(1).double().mean()
        assert kept == pytest.approx(1 - rate, abs=0.07)
        assert (adapter.eval()(x) != x).flatten(1).any(1).all()


@pytest.mark.parametrize('row', ['frame', 'clip'])
def test_tia(row):
    tia = TIA(
        nn.Tanh(), Site('block', C, 0, 1, 1, row=row), num_frames=T, width=4)
    frames = tokens()
    x = frames if row == 'frame' else frames.reshape(B, T * N, C)
    torch.testing.assert_close(tia.double()(x), x.tanh())
    tia = stirred(tia)
    y = frames.tanh().view(B, T, N, C)
    u = F.gelu(F.linear(y, tia.adapter.down.weight, tia.adapter.down.bias))
    mixed = torch.zeros_like(u)
    for t in range(T):
        near = tia.depthwise.bias.expand(B, N, -1)
        for k in range(3):
            if 0 <= t + k - 1 < T:
                near = near + tia.depthwise.weight[:, 0, k] * u[:, t + k - 1]
        mixed[:, t] = F.linear(near, tia.pointwise.weight[..., 0],
                               tia.pointwise.bias)
    delta = F.linear(u + mixed, tia.adapter.up.weight, tia.adapter.up.bias)
    expected = (y + tia.gamma * delta).view(x.shape)
    torch.testing.assert_close(tia(x), expected)


def test_positions_of_all_tokens():
    positions = FramePositions(
        nn.Identity(), Site('tokens', C, -1, 1, 1), num_frames=T)
    nn.init.normal_(positions.positions)
    x = torch.randn(B * T, N, C)
    expected = torch.stack(
        [frame + positions.positions[i % T, 0] for i, frame in enumerate(x)])
    torch.testing.assert_close(positions(x), expected)


@pytest.mark.parametrize('kind, site, options, message', [
    (STDHA, Site('qkv', C), dict(
        num_heads=2, offsets=(1, 2, 3)), r'offsets=\[1, 2, 3\].*2 heads'),
    (STDHA, Site('attn', C), {}, "site='attn'"),
    (TemporalAdaptation, Site('block', C), {}, 'called along time'),
    (TemporalAdaptation, Site('block', C, row='clip'), {}, 'a row is a clip'),
    (TIA, Site('block', C), dict(kernel_size=2), 'kernel_size=2'),
    (TIA, Site('block', C, row='clip', windows=True), {}, 'in regions'),
    (TIA, Site('block', C, as_map=True), {}, 'a map'),
])
def test_mistakes(kind, site, options, message):
    with pytest.raises(ValueError, match=message):
        kind(nn.Identity(), site, num_frames=T, **options)


def test_tokens_of_another_length():
    tia = TIA(nn.Identity(), Site('block', C, row='clip'), num_frames=3)
    with pytest.raises(ValueError, match='16 tokens of a clip.*num_frames=3'):
        tia(torch.randn(B, 16, C))
