"""Memory counted by hand."""
import pytest
import torch
from mmengine.config import Config
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from mmdualpath.analysis.memory import bytes_of, peak_bytes, without_values
from mmdualpath.analysis.structure import build_structure
from mmdualpath.models.backbones import share

KB = 250  # floats


def two_at_a_time():
    a = torch.zeros(KB)
    b = a + 1
    del a
    return b * b  # b and the product


def views_and_in_place():
    a = torch.zeros(KB)
    return a.view(5, 50).add_(1).t()


def freed_before():
    a = torch.zeros(5 * KB)
    del a
    return torch.zeros(2 * KB)


def all_kept():
    return [torch.zeros(KB) for _ in range(4)]


@pytest.mark.parametrize('compute, kilobytes', [
    (two_at_a_time, 2),
    (views_and_in_place, 1),
    (freed_before, 5),
    (all_kept, 4),
    (lambda: None, 0),
])
def test_peak(compute, kilobytes):
    assert peak_bytes(compute) == 1000 * kilobytes


def test_what_the_backward_pass_needs():
    """Of y = tanh(tanh(x)) both results are kept, or none, by checkpoints."""
    x = torch.zeros(10 * KB, requires_grad=True)

    def tanhs(x):
        for _ in range(8):
            x = x.tanh()
        return x

    kept, recomputed = [], []
    # An input that autograd does not know needs nothing.
    assert peak_bytes(lambda: tanhs(x.detach())) == 20_000
    assert peak_bytes(lambda: kept.append(tanhs(x))) == 80_000
    assert peak_bytes(lambda: recomputed.append(
        checkpoint(tanhs, x, use_reentrant=False))) == 20_000


def test_shared_tensors_count_once():
    module = nn.Linear(10, 10)
    pair = nn.ModuleList([module, share(module)])
    assert bytes_of(pair) == 4 * 110


def test_without_values(tiny_clip):
    """Shared, trainable and of the same size as the real model."""
    view = dict(adapters=[], trainable=['cls_token'])
    model = build_structure(
        Config(
            dict(
                type='DualPathBackbone',
                backbone=tiny_clip,
                spatial=view,
                temporal=view))._cfg_dict)
    before = {n: p.requires_grad for n, p in model.named_parameters()}
    with FakeTensorMode():
        model = without_values(model)
        assert {
            n: p.requires_grad
            for n, p in model.named_parameters()
        } == before
        assert model.spatial.base.proj is model.temporal.base.proj
        assert all(p.device.type == 'cpu' for p in model.parameters())
        x = torch.rand(2, 3, 3, 32, 32)
        assert model(x, x).shape == (2, 48)
