"""Blocks that are computed anew in the backward pass, to save memory."""
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any, Callable, Iterator, List

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def recompute(block: nn.Module) -> None:
    """Let a block be computed anew in the backward pass, in place.

    Its names stay as they are: a checkpoint does not tell how it was trained.
    """
    counts = any(isinstance(m, _BatchNorm) for m in block.modules())
    block.__class__ = _recomputing(type(block), counts)


def recomputed(module: nn.Module) -> List[nn.Module]:
    """The blocks of a module that are computed anew."""
    return [m for m in module.modules() if hasattr(type(m), 'computed_once')]


def compute_within(block: nn.Module, wrap: Callable[[type], type]) -> None:
    """Let a class of one's own compute a block, its recomputation too.

    Args:
        block: One of :func:`recomputed`, changed in place.
        wrap: Gives a class that inherits from the one it is called with.
    """
    kind = type(block)
    block.__class__ = _recomputing(wrap(kind.computed_once), kind.counts)


@contextmanager
def kept_statistics(module: nn.Module) -> Iterator[None]:
    """Keep a recomputation from counting a batch a second time."""
    kept = [(m, m.momentum, m.num_batches_tracked) for m in module.modules()
            if isinstance(m, _BatchNorm)]
    for norm, _, _ in kept:
        norm.momentum, norm.num_batches_tracked = 0., None
    try:
        yield
    finally:
        for norm, momentum, batches in kept:
            norm.momentum, norm.num_batches_tracked = momentum, batches


@lru_cache(maxsize=None)
def _recomputing(kind: type, counts: bool) -> type:

    class Recomputing(kind):

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
            call = super().forward
            if not torch.is_grad_enabled():
                return call(x, *args, **kwargs)
            if counts:  # batches
                kwargs['context_fn'] = lambda: (nullcontext(),
                                                kept_statistics(self))
            return checkpoint(call, x, *args, use_reentrant=False, **kwargs)

    Recomputing.computed_once, Recomputing.counts = kind, counts
    Recomputing.__name__ = kind.__name__
    Recomputing.__qualname__ = kind.__qualname__
    Recomputing.__module__ = kind.__module__
    return Recomputing
