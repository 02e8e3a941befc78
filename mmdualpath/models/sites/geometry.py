"""Which tokens attend to each other where attention runs in windows."""
from dataclasses import dataclass
from typing import Any, Callable, Sequence, Tuple

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Windows:
    """How the blocks of a backbone cut their map into windows.

    Attributes:
        size: Size of the map, from what a block is called with.
        cut: Size of a window and its shift along each axis, given a bare
            block and the size of the map.
    """
    size: Callable[..., Tuple[int, ...]]
    cut: Callable[[nn.Module, Tuple[int, ...]], Tuple[Sequence[int],
                                                      Sequence[int]]]

    def index(self, block: nn.Module, size: Tuple[int, ...]) -> Tensor:
        """Which tokens of a map lie in each window, see
        :func:`window_index`."""
        return window_index(size, *self.cut(block, size))


def window_index(size: Sequence[int], window: Sequence[int],
                 shift: Sequence[int]) -> Tensor:
    """Which tokens of a map lie in each padded and shifted window.

    Args:
        size: Tokens of the map along each axis.
        window: Tokens of a window along each axis.
        shift: Tokens the map is rolled back along each axis.

    Returns:
        ``(W, n)``: numbers of the n tokens of each of the W windows in the
        flattened map, -1 for padding.
    """
    number = torch.arange(torch.Size(size).numel()).view(*size)
    padding = []
    for s, w in zip(reversed(size), reversed(window)):
        padding += [0, -s % w]
    number = nn.functional.pad(number, padding, value=-1)
    axes = tuple(range(number.dim()))
    number = number.roll([-s for s in shift], axes)
    for axis, w in reversed(list(zip(axes, window))):
        number = number.unflatten(axis, (-1, w))
    # (n0, w0, n1, w1, ...) -> (n0, n1, ..., w0, w1, ...)
    number = number.permute(*(2 * a for a in axes), *(2 * a + 1 for a in axes))
    return number.flatten(0, len(axes) - 1).flatten(1)


def square_map(backbone: nn.Module, patches: int,
               images: Tensor) -> Tuple[int, ...]:
    """Size of the map of an image's patches, which are square.

    Args:
        backbone: The network.
        patches: Their number.
        images: What the network reads, ``(B, 3, H, W)``.
    """
    height, width = images.shape[-2:]
    h = round((patches * height / width)**0.5)
    return h, patches // h


def tube_map(backbone: Any, patches: int, clips: Tensor) -> Tuple[int, ...]:
    """Size of the map of a clip's tubes, of ``patch_size`` pixels.

    Args:
        backbone: The network.
        patches: Number of tubes.
        clips: What the network reads, ``(B, 3, T, H, W)``.
    """
    h, w = (s // backbone.patch_size for s in clips.shape[-2:])
    return patches // (h * w), h, w


def pyramid_map(backbone: nn.Module, patches: int,
                x: Tensor) -> Tuple[int, ...]:
    """Size of the map in any stage of a pyramid that keeps time.

    Args:
        backbone: The network.
        patches: Number of patches or tubes.
        x: What it reads, ``(B, 3, H, W)`` or ``(B, 3, T, H, W)``.
    """
    if x.dim() == 4:
        return square_map(backbone, patches, x)
    stem = next(m for m in backbone.modules() if hasattr(m, 'patch_size'))
    times = -(-x.shape[2] // stem.patch_size[0])
    return (times, *square_map(backbone, patches // times, x))
