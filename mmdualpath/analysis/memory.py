"""How much memory a computation takes, on any device."""
import weakref
from typing import Any, Callable

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Live(TorchDispatchMode):
    """Counts the bytes of all storages that operations make."""

    def __init__(self) -> None:
        super().__init__()
        self.known = weakref.WeakSet()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        out = func(*args, **(kwargs or {}))
        given = {
            id(t.untyped_storage())
            for t in tree_leaves((args, kwargs))
            if isinstance(t, torch.Tensor)
        }
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), given)
        return out

    def _count(self, storage: torch.UntypedStorage, given: set) -> None:
        # What an operation gives back of its own arguments is not new.
        if storage in self.known or id(storage) in given:
            return
        self.known.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, storage.nbytes())

    def _free(self, size: int) -> None:
        self.now -= size


def bytes_of(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers, each storage once."""
    tensors = (*module.parameters(), *module.buffers())
    storages = {t.untyped_storage() for t in tensors}
    return sum(s.nbytes() for s in storages)


def peak_bytes(compute: Callable[[], Any]) -> int:
    """Most bytes of tensors that a computation keeps at one time.

    Counted are tensors that operations make while it runs, until nothing
    refers to them, wherever they lie. Working memory inside an operation is
    not seen, nor is what an allocator keeps.

    Args:
        compute: Called once.
    """
    with _Live() as live:
        compute()
    return live.peak


def without_values(model: nn.Module, device: str = 'cpu') -> nn.Module:
    """Give a model of the meta device the place of a real one, in place.

    To be called and used in a ``FakeTensorMode``: operations then choose their
    kernels as they would there, but nothing is computed. Tensors that several
    modules share stay shared.

    Args:
        model: From :func:`mmdualpath.analysis.structure.build_structure`.
        device: Where it seems to lie.
    """
    made = {}
    for part in model.modules():
        for tensors in (part._parameters, part._buffers):
            for name, old in tensors.items():
                if old is None:
                    continue
                if id(old) not in made:
                    new = torch.empty(
                        old.shape, dtype=old.dtype, device=device)
                    made[id(old)] = nn.Parameter(
                        new, old.requires_grad) if isinstance(
                            old, nn.Parameter) else new
                tensors[name] = made[id(old)]
    return model
