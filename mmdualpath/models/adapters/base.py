"""What every adapter is: a module that wraps the one it adapts."""
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from torch import Tensor, nn

from ...options import checked
from ..sites import Site, Wrapper

# Sites of a linear layer.
LINEAR = ('qkv', 'q', 'k', 'v', 'proj', 'fc1', 'fc2')


@dataclass(frozen=True)
class Need:
    """What an adapter needs of the place it stands at.

    Attributes:
        what: Completes "it needs ...".
        met: Whether a site has it.
        there: Says what a site has instead.
    """
    what: str
    met: Callable[[Site], bool]
    there: Callable[[Site], str]


FRAMES = Need('rows of the batch that are frames', lambda s: s.row == 'frame',
              lambda s: f'a row is a {s.row}')
TOKENS = Need('tokens (B, N, C)', lambda s: not s.as_map,
              lambda s: 'tokens are a map (B, *S, C)')
RASTER = Need('patches in the order of their map', lambda s: s.raster,
              lambda s: 'they are in the order of windows')
WHOLE = Need('attention among all tokens', lambda s: not s.windows,
             lambda s: 'blocks attend in windows')
COUNTED = Need('blocks that take tokens in front of theirs',
               lambda s: not s.rotary,
               lambda s: 'positions are one for each patch')
SAME_SHAPE = Need('a module that keeps the shape of its tokens',
                  lambda s: s.name not in ('stem', 'qkv', 'fc1', 'fc2'),
                  lambda s: 'the module changes it')
READS_TOKENS = Need('a module that reads tokens of C channels',
                    lambda s: s.name not in ('stem', 'fc2'),
                    lambda s: 'it reads something else')
GIVES_TOKENS = Need('a module that gives tokens of C channels',
                    lambda s: s.name not in ('stem', 'qkv', 'fc1'),
                    lambda s: 'it gives something else')
ATTENTION = Need('to own the call of an attention module',
                 lambda s: s.layout is not None,
                 lambda s: 'stands no attention that is known how to compute')
FROZEN_ATTENTION = Need('a frozen attention that can be called along time',
                        lambda s: s.attn is not None,
                        lambda s: 'the attention needs a map')


@checked
class Adapter(Wrapper):
    """Wraps a module of a frozen backbone and calls it ``base``.

    A subclass takes ``base`` and ``site`` first and its own options by
    keyword; its ``forward`` has the signature of the module it wraps, with
    the tokens first. It initialises its own parameters: weights of the
    backbone are in place before it is built, and ``init_weights`` is never
    called on it. It says what it needs of its place; what does not fit is
    refused by name.

    Args:
        base: The module that is adapted.
        site: Where it stands.

    Attributes:
        sites: Names of the sites it may stand at; empty for any.
        needs: What it needs there.
        images_per_clip: Images of a clip, which follow each other in the
            batch, if the adapter depends on it; else None.
        added_tokens: Tokens it puts in front of those its base sees.
    """
    sites: Tuple[str, ...] = ()
    needs: Tuple[Need, ...] = ()
    images_per_clip: Optional[int] = None
    added_tokens: int = 0

    def __init__(self, base: nn.Module, site: Site) -> None:
        super().__init__()
        self.check(site)
        self.base = base
        self.site = site

    @classmethod
    def check(cls, site: Site) -> None:
        """Refuse a place that the adapter does not fit.

        Raises:
            ValueError: If it does not.
        """
        where = f'{cls.__name__} at site={site.name!r} of {site.backbone}'
        if cls.sites and site.name not in cls.sites:
            raise ValueError(f'{where}: it stands at '
                             f'{" or ".join(map(repr, cls.sites))}.')
        for need in cls.needs:
            if not need.met(site):
                raise ValueError(f'{where} needs {need.what}, but there '
                                 f'{need.there(site)}.')

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """``(B*T, N, C) -> same``."""
        raise NotImplementedError

    def folded(self) -> Optional[Dict[str, Tensor]]:
        """What its frozen layer would be that gives alone what both give.

        Returns:
            New values of parameters of ``base`` by name, in double
            precision; None if the adapter costs nothing and stays.

        Raises:
            ValueError: If it does not fold.
        """
        raise self.unfoldable('it is no linear map on one frozen layer')

    def unfoldable(self, why: str) -> ValueError:
        """The error that names the adapter and why it does not fold."""
        return ValueError(f'{type(self).__name__} at site={self.site.name!r} '
                          f'of {self.site.backbone} does not fold into the '
                          f'frozen weights: {why}.')

    def frozen_linear(self) -> Tuple[Tensor, Tensor]:
        """Weight and bias of the linear layer it wraps, to fold into.

        Returns:
            ``(C', C)`` and ``(C', )`` in double precision; zeros where the
            layer has no bias.

        Raises:
            ValueError: If it wraps something else.
        """
        layer = self.base
        if not isinstance(layer, nn.Linear):
            raise self.unfoldable(
                f'it wraps a {type(layer).__name__}, not a linear layer. '
                f'{", ".join(LINEAR)} are sites of one; adapters that stay '
                'are named after those that fold')
        weight = layer.weight.double()
        if layer.bias is None:
            return weight, weight.new_zeros(len(weight))
        return weight, layer.bias.double()
