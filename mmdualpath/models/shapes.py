"""Small arithmetic on the shapes of clips and heads."""
from typing import Optional

from torch import Tensor, nn


def as_clips(x: Tensor, num_frames: int) -> Tensor:
    """Unfold the frames of a batch: ``(B*T, ...) -> (B, T, ...)``.

    Args:
        x: One row a frame, the T frames of a clip in a row.
        num_frames: T.

    Raises:
        ValueError: If the rows make no whole clips.
    """
    if num_frames < 1 or x.shape[0] % num_frames:
        raise ValueError(f'{len(x)} frames make no whole clips of '
                         f'num_frames={num_frames}.')
    return x.unflatten(0, (-1, num_frames))


def heads_of(dims: int, num_heads: Optional[int]) -> int:
    """Number of attention heads, by default of 64 channels each.

    Raises:
        ValueError: If the heads do not divide the channels.
    """
    heads = max(1, dims // 64) if num_heads is None else num_heads
    if heads < 1 or dims % heads:
        raise ValueError(f'num_heads={heads} does not divide {dims} '
                         'channels.')
    return heads


def check_channels(head: nn.Module, x: Tensor) -> None:
    """Compare the channels of features with those a head is built for.

    Args:
        head: A head with ``in_channels``.
        x: Features ``(..., C)``.

    Raises:
        ValueError: If they differ.
    """
    if x.shape[-1] != head.in_channels:
        raise ValueError(
            f'The backbone gives features of {x.shape[-1]} channels, but '
            f'{type(head).__name__} is built for in_channels='
            f'{head.in_channels}: give the head the same.')
