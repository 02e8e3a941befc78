"""Devices that tests run on: this machine's CPU, and a GPU if there is one."""
import contextlib
from typing import Iterator

import pytest
import torch

GPU = (pytest.mark.gpu,
       pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU'))
CUDA = pytest.param('cuda', marks=GPU)
on_each_device = pytest.mark.parametrize('device', ['cpu', CUDA])


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Products in single precision are computed in single precision."""
    backends = torch.backends
    before = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32 = before


def difference(one: torch.Tensor, two: torch.Tensor) -> float:
    """How far one tensor is from another, relative to the other's length."""
    one, two = (t.detach().double().cpu() for t in (one, two))
    return float((one - two).norm() / two.norm().clamp_min(1e-30))
