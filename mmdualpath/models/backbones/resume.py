"""An adapted network from its first block on that is not the frozen one."""
import math
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Iterator, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ..adapters.base import Adapter
from ..sites import Spot, Wrapper, blocks_of, sites_of, taps_of

TRAINS = ('Something in front of the blocks trains: what they put out cannot '
          'be kept in files.')


def first_changed(network: nn.Module) -> int:
    """Number of the first block that is adapted or trains something.

    It is that of all blocks if none does.
    """
    for number, (parent, name) in enumerate(blocks_of(network)):
        block = getattr(parent, name)
        if any(isinstance(m, Adapter)
               for m in block.modules()) or any(p.requires_grad
                                                for p in block.parameters()):
            return number
    return number + 1


def resume(network: nn.Module) -> None:
    """Let a network read what its last frozen block has put out, in place.

    Instead of images or clips it takes ``(B, 1, N, C)``, and needs their
    ``image_shape``, such as ``(3, 224, 224)``. The blocks in front of
    :func:`first_changed` do not run. Its names stay as they are.
    """
    network.__class__ = _resuming(type(network))


def reading_images(network: nn.Module) -> nn.Module:
    """The same network, in place, as it was before :func:`resume`."""
    network.__class__ = getattr(type(network), 'whole', type(network))
    return network


def refuse_unread(view: nn.Module, args: Any, out: Any) -> None:
    """Refuse what reads blocks that do not run, at the first features.

    A forward hook.

    Args:
        view: Whose ``base`` is a backbone after :func:`resume`.
        args: What it was called with.
        out: What it puts out, in any form.

    Raises:
        ValueError: If another than the last of them is needed.
    """
    if view.features_suffice:
        return
    if any(tensor.isnan().any() for tensor in tree_leaves(out)):
        raise ValueError(
            f'{type(view.base).__name__} reads blocks in front of block '
            f'{first_changed(view.base) - 1} for what it puts out, and their '
            'features are not in the files: adapt an earlier block, or set '
            'no cache.')
    view.features_suffice = True


@lru_cache(maxsize=None)
def _resuming(kind: type) -> type:

    class Resuming(kind):
        whole = kind
        image_shape: Optional[Tuple[int, ...]] = None

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
            if self.image_shape is None:
                raise ValueError(
                    'cache is set, but nothing reads features from there: '
                    'CachedFeaturesHook must be among the hooks of the '
                    'config.')
            # What is made of the images is replaced, whatever they are.
            images = torch.zeros(len(x), *self.image_shape, device=x.device)
            with _replaced(self, first_changed(self), x.squeeze(1)):
                return super().forward(images, *args, **kwargs)

    Resuming.__name__ = kind.__name__
    Resuming.__qualname__ = kind.__qualname__
    Resuming.__module__ = kind.__module__
    return Resuming


@contextmanager
def _replaced(network: nn.Module, block: int,
              tokens: Tensor) -> Iterator[None]:
    """Inside, the blocks in front of one are not run; the last gives tokens.
    """
    spots = taps_of(network, range(block))
    modules = [spot.module for spot in spots]
    for spot in spots:
        given = tokens if spot is spots[-1] else None
        setattr(spot.parent, spot.name, _Passed(network, spot, given))
    try:
        yield
    finally:
        for spot, module in zip(spots, modules):
            setattr(spot.parent, spot.name, module)


class _Passed(Wrapper):
    """A block that does not run.

    Args:
        network: The backbone.
        spot: Where the block is.
        tokens: What it puts out, ``(B, N, C)``; None where nothing is to
            read it, and it puts out NaN.
    """

    def __init__(self, network: nn.Module, spot: Spot,
                 tokens: Optional[Tensor]) -> None:
        super().__init__()
        self.base = spot.module
        self._of = network, spot.site
        self.tokens = tokens

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Tokens in the form of the block's own, such as a map.

        Raises:
            ValueError: If something in front of it trains, or they are of
                another size.
        """
        if x.requires_grad:
            raise ValueError(TRAINS)
        stream = sites_of(self._of[0]).stream
        out = stream.blank(*self._of, x, *args, **kwargs)
        shape = stream.unpack(*self._of, out).shape
        tokens = self.tokens
        if tokens is None:
            tokens = x.new_full(shape, math.nan)
        if shape != tokens.shape:
            raise ValueError(f'Features {tuple(tokens.shape)} are not of the '
                             f'size of this block, {tuple(shape)}.')
        return stream.pack(*self._of, tokens.to(x.dtype), out)


def put_out(network: nn.Module, block: int, x: Tensor) -> Tensor:
    """What a block puts out, ``(B, N, C)``; the network runs as it is.

    Args:
        network: A backbone.
        block: Number of the block.
        x: Images or clips.

    Raises:
        ValueError: If something in front of it trains.
    """
    heard = []
    spot, = taps_of(network, [block])
    unpack = sites_of(network).stream.unpack
    handle = spot.module.register_forward_hook(
        lambda module, args, out: heard.append(
            unpack(network, spot.site, out)))
    try:
        network(x)
    finally:
        handle.remove()
    if heard[0].requires_grad:
        raise ValueError(TRAINS)
    return heard[0]
