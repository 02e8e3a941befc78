"""ST-Adapter, released and as Eq. 6, frame by frame."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmaction.registry import MODELS

from mmdualpath.models.adapters import (FrameMean, ParallelSTAdapter, Site,
                                        STAdapter)

B, T, C, WIDTH = 2, 5, 8, 6


def stirred(adapter):
    for p in adapter.parameters():
        nn.init.normal_(p)
    return adapter.double()


def clips(tokens):
    return torch.randn(B * T, tokens, C, dtype=torch.float64)


def delta(x, adapter, act):
    """``up(act(conv(down x)))`` of patches ``(B, T, N, C)``, in time."""
    y = x @ adapter.down.weight.T + adapter.down.bias
    kernel = adapter.conv.weight[:, 0, :, 0, 0]  # width, 3
    out = []
    for t in range(T):
        taps = [(y[:, t + i - 1] * kernel[:, i]) for i in range(3)
                if 0 <= t + i - 1 < T]
        out.append(sum(taps) + adapter.conv.bias)
    y = act(torch.stack(out, 1))
    return y @ adapter.up.weight.T + adapter.up.bias


def test_released():
    """z' = z + up(conv(down z)), no activation, class token skipped."""
    st = stirred(
        STAdapter(
            nn.Tanh(),
            Site('residual_mlp', C, 0, 1, 1),
            num_frames=T,
            width=WIDTH))
    z = clips(11)
    d = delta(z[:, 1:].unflatten(0, (B, T)), st.adapter, lambda y: y)
    expected = z.clone()
    expected[:, 1:] += d.flatten(0, 1)
    torch.testing.assert_close(st(z), expected.tanh())


def test_equation_6():
    st = stirred(
        ParallelSTAdapter(
            nn.Tanh(),
            Site('mlp', C, 0, 1, 1),
            num_frames=T,
            width=WIDTH,
            scale=0.3))
    z = clips(11)
    d = delta(z[:, 1:].unflatten(0, (B, T)), st.adapter, F.gelu)
    expected = z.tanh()
    expected[:, 1:] += 0.3 * d.flatten(0, 1)
    torch.testing.assert_close(st(z), expected)


def test_kernel_in_space():
    """3x3x3 with its middle slice alone is a 3x3 convolution per frame."""
    st = stirred(
        STAdapter(
            nn.Identity(),
            Site('block', C, 0, 1, 0),
            num_frames=T,
            width=WIDTH,
            kernel_size=(3, 3, 3)))
    st.adapter.conv.weight.data[:, :, [0, 2]] = 0
    z, a = clips(16), st.adapter
    y = (z @ a.down.weight.T + a.down.bias).mT.reshape(B * T, WIDTH, 4, 4)
    y = F.conv2d(
        y, a.conv.weight[:, :, 1], a.conv.bias, padding=1, groups=WIDTH)
    expected = z + y.flatten(2).mT @ a.up.weight.T + a.up.bias
    torch.testing.assert_close(st(z), expected)


def test_mean_over_frames():
    mean = FrameMean(nn.Tanh(), Site('block', C, 0, 1, 1), num_frames=T)
    z = clips(11)
    out = mean(z).unflatten(0, (B, T))
    for t in range(T):
        expected = sum(z[u::T].tanh() for u in range(T)) / T
        torch.testing.assert_close(out[:, t], expected)


def test_mean_over_frames_comes_before_the_norm(tiny_clip):
    """The release's order; the classifier's own mean adds nothing to it."""
    last = dict(site='residual_mlp', blocks=[-1], num_frames=2)
    model = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=tiny_clip,
            adapters=[dict(type='FrameMean', **last)])).eval()
    plain = MODELS.build(
        dict(type='AdaptedBackbone', backbone=tiny_clip)).eval()
    raw = []
    plain.base.layers[-1].register_forward_hook(
        lambda module, inputs, output: raw.append(output[:, 0]))
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        ours, theirs = model(images), plain(images)
        mean = raw[0].unflatten(0, (2, 2)).mean(1)
        wanted = plain.base.ln1(mean) @ plain.base.proj
    torch.testing.assert_close(ours[0::2], wanted)
    torch.testing.assert_close(ours[1::2], wanted)
    after = theirs.unflatten(0, (2, 2)).mean(1)
    assert not torch.allclose(after, wanted, atol=1e-3)


def test_mean_needs_frames():
    with pytest.raises(ValueError, match='FrameMean.*a row is a clip'):
        FrameMean(nn.Identity(), Site('block', C, row='clip'), num_frames=T)
    mean = FrameMean(nn.Identity(), Site('block', C), num_frames=T)
    with pytest.raises(ValueError, match='num_frames=5'):
        mean(torch.randn(B * T + 1, 4, C))


def test_half_the_channels_by_default_of_none():
    st = STAdapter(
        nn.Identity(), Site('block', C, 0, 1, 0), num_frames=T, width=None)
    assert st.adapter.down.out_features == C // 2


@pytest.mark.parametrize('kwargs, match', [
    (dict(site='mlp'), "stands at 'block' or 'residual_mlp'"),
    (dict(width=0), 'width=0'),
    (dict(kernel_size=(2, 1, 1)), 'odd'),
    (dict(kernel_size=(3, 1)), 'odd'),
])
def test_mistakes(kwargs, match):
    at = Site(kwargs.pop('site', 'block'), C, 0, 1, 0)
    with pytest.raises(ValueError, match=match):
        STAdapter(nn.Identity(), at, num_frames=T, **kwargs)


def test_incomplete_clips():
    st = STAdapter(
        nn.Identity(), Site('block', C, 0, 1, 0), num_frames=T, width=WIDTH)
    with pytest.raises(ValueError, match='num_frames=5'):
        st(torch.randn(B * T + 1, 4, C))
