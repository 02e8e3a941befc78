"""Frozen weights of which each process holds a part.

What PyTorch's FSDP does for all parameters, for those that nothing trains: a
block's weights are gathered when it computes, and let go of afterwards. FSDP
itself divides the parameters of modules; here two views share them, and the
modules of one would not see what those of the other gather. What is trained
stays whole in each process: it is little, and optimizers, averages of weights
and checkpoints are those of DistributedDataParallel.
"""
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import torch
from torch import Tensor, nn

from .backbones.frozen import tensors_of
from .recompute import compute_within, recomputed

Gather = Callable[[Tensor], Tensor]
Place = Tuple[nn.Module, str, torch.Size]


def shard_frozen(model: nn.Module, views: Sequence[nn.Module], rank: int,
                 world_size: int, gather: Gather) -> int:
    """Keep a part of the frozen weights of all blocks, in place.

    Each parameter becomes the vector of its values number ``rank * n`` to
    ``(rank + 1) * n``, filled up with zeros at the end. What is frozen
    outside of the blocks, or used outside of them too, stays whole.

    Args:
        model: A model, the same in all processes.
        views: Those of its backbone, built with ``with_cp=True``.
        rank: Number of this process.
        world_size: Number of processes.
        gather: Called with a vector, gives those of all processes one after
            the other.

    Returns:
        The number of parameters, in elements, that are now divided.

    Raises:
        ValueError: If no block has frozen weights.
    """
    blocks = [block for view in views for block in recomputed(view)]
    inside = {m for block in blocks for m in block.modules()}
    used_outside = {
        id(p)
        for m in model.modules() if m not in inside
        for p in m._parameters.values()
    }
    shapes: Dict[int, torch.Size] = {
        id(tensor): tensor.shape
        for view in views
        for name, tensor in tensors_of(view) if name in view.frozen_names()
        and isinstance(tensor, nn.Parameter) and id(tensor) not in used_outside
    }
    cut = {}
    for block in blocks:
        places = [(m, name, shapes[id(p)]) for m in block.modules()
                  for name, p in m._parameters.items() if id(p) in shapes]
        for module, name, _ in places:
            parameter = module._parameters[name]
            if id(parameter) not in cut:
                cut[id(parameter)] = parameter.numel()
                parameter.data = _part(parameter.data, rank, world_size)
        if places:
            block.shards = Shards(places, gather)
            compute_within(block, _whole)
    if not cut:
        raise ValueError('No block has frozen weights that are recomputed.')
    return sum(cut.values())


def _part(tensor: Tensor, rank: int, world_size: int) -> Tensor:
    size = -(-tensor.numel() // world_size)
    part = tensor.new_zeros(size)
    own = tensor.flatten()[rank * size:(rank + 1) * size]
    part[:len(own)] = own
    return part


class Shards:
    """The divided weights of a block.

    Args:
        places: Modules, the names of parameters in them, and their shapes.
        gather: See :func:`shard_frozen`.
    """

    def __init__(self, places: List[Place], gather: Gather) -> None:
        self.places = places
        self.gather = gather

    @contextmanager
    def whole(self) -> Iterator[None]:
        """The modules have their weights.

        Each time these are new tensors: what a backward pass still needs it
        keeps, and nothing else does.
        """
        held = [m._parameters[name] for m, name, _ in self.places]
        for (module, name, _), tensor in zip(self.places, self._values(held)):
            module._parameters[name] = tensor
        try:
            yield
        finally:
            for (module, name, _), part in zip(self.places, held):
                module._parameters[name] = part

    def _values(self, parts: Sequence[Tensor]) -> List[Tensor]:
        """All values, by one exchange for each type of numbers."""
        values: Dict[int, Tensor] = {}
        for dtype in dict.fromkeys(p.dtype for p in parts):
            numbers = [i for i, p in enumerate(parts) if p.dtype == dtype]
            own = torch.cat([parts[i].detach() for i in numbers])
            rows = self.gather(own).view(-1, len(own))
            columns = rows.split([len(parts[i]) for i in numbers], 1)
            for i, of_all in zip(numbers, columns):
                shape = self.places[i][2]
                values[i] = of_all.flatten()[:shape.numel()].view(shape)
        return [values[i] for i in range(len(parts))]


@lru_cache(maxsize=None)
def _whole(kind: type) -> type:

    class Whole(kind):
        shards: Shards

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            with self.shards.whole():
                return super().forward(*args, **kwargs)

    Whole.__name__ = kind.__name__
    Whole.__qualname__ = kind.__qualname__
    Whole.__module__ = kind.__module__
    return Whole
