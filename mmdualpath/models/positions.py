"""Fixed sine-cosine position encodings."""
from typing import Sequence

import torch
from torch import Tensor


def sincos(positions: Tensor,
           dims: int,
           max_period: float = 1e4,
           interleaved: bool = False) -> Tensor:
    """The sinusoids of "Attention is all you need" at real positions.

    Args:
        positions: ``(...)``, any real numbers.
        dims: Even number of channels, half sines and half cosines.
        max_period: Wavelength of the slowest channel over 2 pi.
        interleaved: Whether sines and cosines alternate, otherwise all sines
            come first.

    Returns:
        ``(..., dims)``.
    """
    half = torch.arange(
        dims // 2, dtype=torch.float64, device=positions.device)
    angles = positions.double()[..., None] / max_period**(2 * half / dims)
    waves = torch.stack((angles.sin(), angles.cos()),
                        -1 if interleaved else -2)
    return waves.flatten(-2)


def sincos_nd(positions: Sequence[Tensor], dims: int) -> Tensor:
    """Share the channels among several axes and encode each.

    Every axis has an equal, even share of the channels; the first axis takes
    what is left over, and an odd last channel stays zero.

    Args:
        positions: One tensor ``(...)`` per axis, such as time, y, x, all of
            one shape.
        dims: Number of channels.

    Returns:
        ``(..., dims)`` in float32.

    Raises:
        ValueError: If the channels do not suffice for two per axis.
    """
    axes = len(positions)
    share = dims // (2 * axes) * 2
    if share < 2:
        raise ValueError(f'dims={dims} is too narrow for {axes} axes: '
                         f'give at least {2 * axes}.')
    first = (dims - (axes - 1) * share) // 2 * 2
    parts = [
        sincos(p, first if i == 0 else share) for i, p in enumerate(positions)
    ]
    table = torch.cat(parts, -1)
    return torch.nn.functional.pad(table, (0, dims - table.shape[-1])).float()
