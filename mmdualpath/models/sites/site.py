"""What an adapter is told about the place it stands at."""
import math
from dataclasses import dataclass, field
from typing import Any, Callable, Optional, Tuple

from torch import Tensor, nn

from .attention import Layout

ROWS = ('frame', 'clip', 'window')


class Wrapper(nn.Module):
    """Stands where another module stood, which it calls ``base``."""
    base: nn.Module


def square(tokens: Tensor) -> Tuple[Tensor, Tuple[int, int]]:
    """Patches ``(B, N, C)`` that a stem gives, and the size of their map.

    Raises:
        ValueError: If they form no square.
    """
    side = math.isqrt(tokens.shape[1])
    if side**2 != tokens.shape[1]:
        raise ValueError(f'{tokens.shape[1]} patches form no square, and this '
                         'stem tells no other size.')
    return tokens, (side, side)


@dataclass(frozen=True)
class Stem:
    """Where patches become tokens.

    Attributes:
        path: Dotted name in the backbone.
        unpack: What the module gives, as tokens ``(B, N, C)`` and the size
            of their map.
        pack: Other tokens of the same size, and what the module gave, in the
            form it gives.
    """
    path: str = 'patch_embed'
    unpack: Callable[[Any], Tuple[Tensor, Tuple[int, int]]] = lambda out: out
    pack: Callable[[Tensor, Any], Any] = lambda tokens, out: (tokens, out[1])


@dataclass(frozen=True)
class Stream:
    """What blocks hand on.

    Attributes:
        unpack: Tokens ``(B, N, C)`` in the order of batch and map, of the
            backbone, the block's site and what it gives.
        pack: Such tokens in the form that the block gives them, of the
            backbone, the site, the tokens and something of that form.
        blank: Something of that form, of the backbone, the site and what the
            block is called with.
        dims: Channels that a block gives; None is the width of its norm.
    """
    unpack: Callable[..., Tensor] = \
        lambda backbone, site, out: out.flatten(1, -2)
    pack: Callable[..., Any] = \
        lambda backbone, site, tokens, out: tokens.view_as(out)
    blank: Callable[..., Any] = \
        lambda backbone, site, x, *args, **kwargs: x
    dims: Optional[Callable[[nn.Module], int]] = None


@dataclass(frozen=True)
class Site:
    """A place in a backbone where an adapter is attached.

    Attributes:
        name: Name of the site in the table.
        dims: Channels C of the tokens there.
        block: Index of the block among all blocks of the backbone, or -1 at
            a site outside the blocks.
        num_blocks: Number of blocks of the backbone.
        extra_tokens: Tokens in front of the patches, such as a class token.
        class_tokens: How many of them are class tokens; they come first.
        backbone: Class of the backbone.
        chosen: Indices of all blocks that the adapter's config chose.
        row: What a row of the batch is there: a ``frame`` (one image), a
            whole ``clip`` or a ``window`` of either.
        as_map: Whether tokens are a map ``(B, *S, C)``, not ``(B, N, C)``.
        windows: Whether the block attends in windows or regions instead of
            among all its tokens.
        raster: Whether patches are in the order of their map, row by row.
        rotary: Whether blocks get rotary positions, or a bias of relative
            ones, for each patch.
        layout: How the attention module that stands there is written; None
            at other sites, and where that is not known.
        stem: How to read what the backbone's stem gives.
        norm: The block's frozen norm in front of its attention.
        attn: The block's frozen attention, if it can be called with any set
            of tokens ``(B, N, C)``.
    """
    name: str
    dims: int
    block: int = -1
    num_blocks: int = 0
    extra_tokens: int = 0
    class_tokens: int = 0
    backbone: str = ''
    chosen: Tuple[int, ...] = ()
    row: str = 'frame'
    as_map: bool = False
    windows: bool = False
    raster: bool = True
    rotary: bool = False
    layout: Optional[Layout] = None
    stem: Stem = field(default_factory=Stem, repr=False)
    norm: Optional[nn.Module] = field(default=None, repr=False)
    attn: Optional[nn.Module] = field(default=None, repr=False)

    @property
    def share_of_depth(self) -> float:
        """Where the block is, from 0, the first one, to 1, the last."""
        return max(self.block, 0) / max(self.num_blocks - 1, 1)

    def grid(self, num_tokens: int) -> Tuple[int, int]:
        """Height and width of a square map of patches.

        Args:
            num_tokens: Tokens N of an image, extra tokens included.

        Raises:
            ValueError: If the patches do not form a square, or are in another
                order.
        """
        if not self.raster:
            raise ValueError(f'Patches of {self.backbone} are in the order of '
                             'its windows. Adapters that look at neighbouring '
                             'patches need them row by row.')
        side = math.isqrt(num_tokens - self.extra_tokens)
        if side * side != num_tokens - self.extra_tokens:
            raise ValueError(
                f'{num_tokens - self.extra_tokens} patches form no square. '
                'Adapters that look at neighbouring patches need square '
                'inputs.')
        return side, side
