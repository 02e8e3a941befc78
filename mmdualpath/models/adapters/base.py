"""What every adapter is: a module that wraps the one it adapts."""
import math
from dataclasses import dataclass
from typing import Optional, Tuple

from torch import Tensor, nn


@dataclass(frozen=True)
class Site:
    """A place in a backbone where an adapter is attached.

    Attributes:
        name: Name of the site in the table of ``backbones/sites.py``.
        dims: Channels of the tokens there.
        block: Index of the block among all blocks of the backbone, or -1 at
            a site outside the blocks.
        num_blocks: Number of blocks of the backbone.
        extra_tokens: Tokens in front of the patches, such as a class token.
        windows: Whether the block's attention runs in windows of a map.
    """
    name: str
    dims: int
    block: int
    num_blocks: int
    extra_tokens: int
    windows: bool = False

    def grid(self, num_tokens: int) -> Tuple[int, int]:
        """Height and width of a square map of patches.

        Args:
            num_tokens: Tokens N of an image, extra tokens included.

        Raises:
            ValueError: If the patches do not form a square.
        """
        side = math.isqrt(num_tokens - self.extra_tokens)
        if side * side != num_tokens - self.extra_tokens:
            raise ValueError(
                f'{num_tokens - self.extra_tokens} patches form no square. '
                'Adapters that look at neighbouring patches need square '
                'inputs.')
        return side, side


class Adapter(nn.Module):
    """Wraps a module of a frozen backbone and calls it ``base``.

    A subclass takes ``base`` and ``site`` first and its own options by
    keyword; its ``forward`` has the signature of the module it wraps, with
    the tokens first. It initialises its own parameters: weights of the
    backbone are in place before it is built, and ``init_weights`` is never
    called on it.

    Args:
        base: The module that is adapted.
        site: Where it stands.

    Attributes:
        images_per_clip: Images of a clip, which follow each other in the
            batch, if the adapter depends on it; else None.
        added_tokens: Tokens it puts in front of those its base sees.
    """
    images_per_clip: Optional[int] = None
    added_tokens: int = 0

    def __init__(self, base: nn.Module, site: Site) -> None:
        super().__init__()
        self.base = base
        self.site = site

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        raise NotImplementedError


def as_clips(x: Tensor, num_frames: int) -> Tensor:
    """Unfold the frames of a batch: ``(B*T, ...) -> (B, T, ...)``.

    Args:
        x: One row a frame, the T frames of a clip in a row.
        num_frames: T.

    Raises:
        ValueError: If the rows make no whole clips.
    """
    if num_frames < 1 or len(x) % num_frames:
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
