"""What a row of the table is, and how places are found by it."""
from dataclasses import dataclass, field, replace
from typing import (Any, Callable, Dict, Iterator, List, Mapping, Optional,
                    Sequence, Tuple, Union)

from torch import Tensor, nn

from .attention import Layout
from .geometry import Windows, square_map
from .site import ROWS, Site, Stem, Stream, Wrapper

STEM, TOKENS, BLOCK = 'stem', 'tokens', 'block'
CHANGES = 'the others change the number or the width of tokens'


@dataclass(frozen=True)
class Place:
    """Where a named site is in a block.

    Attributes:
        path: Dotted name of the module in the block.
        when: Whether a block has the site; None is every block.
        without: Why a block has not, for the message.
        then: Name in the block of what the module's output passes before it
            is added to the stream, a module or the vector of LayerScale; it
            becomes part of the site.
        norm: Name in the block of the LayerNorm in front of the module; it
            becomes part of the site, which is then called with z.
        row: What a row of the batch is there, where it is not what it is in
            the backbone: ``window``.
        as_map: Whether tokens are a map there; None as in the backbone.
        layout: How the attention module there is written.
        reader: Site of the attention that reads the weight of the module and
            never calls it. Where an adapter stands there, the attention is
            computed as its layout says, which does call it.
    """
    path: str
    when: Optional[Callable[[nn.Module], bool]] = None
    without: str = ''
    then: Optional[str] = None
    norm: Optional[str] = None
    row: Optional[str] = None
    as_map: Optional[bool] = None
    layout: Optional[Layout] = None
    reader: Optional[str] = None


def _extra_tokens(backbone: nn.Module) -> int:
    return getattr(backbone, 'num_extra_tokens', 0)


def _class_tokens(backbone: nn.Module, extra_tokens: int) -> int:
    """One, unless registers are all there is."""
    return int(extra_tokens > getattr(backbone, 'num_reg_tokens', 0))


@dataclass(frozen=True)
class Sites:
    """The row of a backbone class.

    Attributes:
        blocks: Dotted pattern of the blocks in order; ``*`` runs over the
            children of a list.
        norm: Path in a block to the norm in front of its attention, of the
            block's width.
        is_block: Whether one of what the pattern finds is a block; the others
            are between blocks and have no sites.
        places: Where each named site is, a :class:`Place` or its path.
        row: What a row of the batch is, ``frame`` or ``clip``, or a function
            of the backbone that says it.
        as_map: Whether blocks take tokens as a map ``(B, *S, C)``.
        stem: Where patches become tokens, a :class:`Stem` or its path.
        tokens: Path in the backbone to a module that all tokens pass with
            their positions, in front of the first norm; None if there is
            none.
        extra_tokens: Tokens in front of the patches of a row of the batch.
        class_tokens: How many of them are class tokens, which come first: a
            function of the backbone and their number.
        positions: Names of the tables of learned positions ``(..., L, C)``,
            and how many of their first rows belong to no patch.
        attn: Path in a block to an attention that may be called with any set
            of tokens; None if it may not.
        windows: How attention is cut into windows, if it is.
        stream: What blocks hand on.
        keeps: Whether a block keeps the shape of its tokens; the site
            ``block`` is there alone.
        raster: Whether patches are in the order of their map, row by row.
        regions: Whether blocks attend to something else than all their
            tokens. True with ``windows``.
        rotary: Whether blocks get rotary positions, or a bias of relative
            ones, for each patch, so that no token may be put in front of
            theirs.
        map_size: Size of the map of patches: a function of backbone, number
            of patches and input.
        final_norm: Path in the backbone to the norm behind the last block, or
            a function of the backbone that says it; None where it is not
            known.
    """
    blocks: str
    norm: str
    places: Mapping[str, Union[str, Place]]
    row: Union[str, Callable[[nn.Module], str]] = 'frame'
    as_map: bool = False
    stem: Union[str, Stem] = field(default_factory=Stem)
    tokens: Optional[str] = None
    is_block: Callable[[nn.Module], bool] = lambda module: True
    extra_tokens: Callable[[nn.Module], int] = _extra_tokens
    class_tokens: Callable[[nn.Module, int], int] = _class_tokens
    positions: Mapping[str, Callable[[nn.Module], int]] = field(
        default_factory=lambda: dict(pos_embed=_extra_tokens))
    attn: Optional[str] = None
    windows: Optional[Windows] = None
    stream: Stream = field(default_factory=Stream)
    keeps: Optional[Callable[[nn.Module], bool]] = None
    raster: bool = True
    regions: bool = False
    rotary: Callable[[nn.Module], bool] = lambda backbone: False
    map_size: Callable[[nn.Module, int, Tensor], Tuple[int, ...]] = square_map
    final_norm: Union[None, str, Callable[[nn.Module], str]] = None

    def __post_init__(self) -> None:
        for name in ('blocks', 'norm'):
            if not isinstance(getattr(self, name), str) \
                    or not getattr(self, name):
                raise ValueError(f'{name}={getattr(self, name)!r} must be a '
                                 'dotted name.')
        if not (callable(self.row) or self.row in ROWS[:2]):
            raise ValueError(f'row={self.row!r} must be one of {ROWS[:2]} or '
                             'a function of the backbone.')
        if not isinstance(self.places, Mapping):
            raise ValueError(f'places={self.places!r} must name sites.')
        places = {}
        for name, place in self.places.items():
            if name in (STEM, TOKENS, BLOCK):
                raise ValueError(f'{name!r} is a site of every backbone and '
                                 'cannot be one of its places.')
            place = Place(place) if isinstance(place, str) else place
            if not (isinstance(place, Place) and place.path
                    and place.row in (None, *ROWS)):
                raise ValueError(f'places[{name!r}]={place!r} must be a '
                                 f'dotted name or a Place, its row one of '
                                 f'{ROWS}.')
            places[name] = place
        object.__setattr__(self, 'places', places)
        if isinstance(self.stem, str):
            object.__setattr__(self, 'stem', Stem(self.stem))

    @property
    def names(self) -> Tuple[str, ...]:
        """All sites of the backbone."""
        outside = (STEM, TOKENS) if self.tokens else (STEM, )
        return (*outside, BLOCK, *self.places)

    def blocks_of(self, backbone: nn.Module) -> List[Tuple[nn.Module, str]]:
        """All blocks in order, each as its parent module and its name there.
        """
        return [(parent, name)
                for parent, name in _children(backbone, self.blocks)
                if self.is_block(unwrapped(getattr(parent, name)))]


TABLE: Dict[str, Sites] = {}


def register_sites(backbone: Union[type, str], row: Sites) -> None:
    """Add a row to the table, or replace one.

    Classes that inherit from ``backbone`` have its row unless they have one
    of their own; one that is built otherwise is refused when it is used.

    Args:
        backbone: A class, or its full dotted name if it is not to be
            imported.
        row: Where its parts are.

    Raises:
        ValueError: If one of them is something else.
    """
    if isinstance(backbone, type):
        backbone = f'{backbone.__module__}.{backbone.__qualname__}'
    if not isinstance(backbone, str) or '.' not in backbone:
        raise ValueError(f'{backbone!r} is neither a class nor the full name '
                         'of one.')
    if not isinstance(row, Sites):
        raise ValueError(f'The row of {backbone} must be a Sites, given '
                         f'{row!r}.')
    TABLE[backbone] = row


def sites_of(backbone: nn.Module) -> Sites:
    """The row of a backbone or of the class it inherits from.

    Raises:
        ValueError: If the table has none, or the backbone inherits one that
            it does not fit.
    """
    for cls in type(backbone).__mro__:
        row = TABLE.get(f'{cls.__module__}.{cls.__qualname__}')
        if row is not None:
            break
    else:
        known = ', '.join(name.rsplit('.', 1)[-1] for name in TABLE)
        raise ValueError(
            f'No sites are known for {type(backbone).__name__}; the table has '
            f'{known}. Add a row with '
            'mmdualpath.models.sites.register_sites().')
    try:
        for parent, name in row.blocks_of(backbone):
            getattr(*resolve(getattr(parent, name), row.norm))
    except AttributeError as error:
        raise ValueError(
            f'{type(backbone).__name__} is not built as the row of '
            f'{cls.__name__} says ({error}). Add a row of its own with '
            'mmdualpath.models.sites.register_sites().') from None
    return row


def blocks_of(backbone: nn.Module) -> List[Tuple[nn.Module, str]]:
    """All blocks in order, each as its parent module and its name there."""
    return sites_of(backbone).blocks_of(backbone)


def final_norm_of(backbone: nn.Module) -> nn.Module:
    """The norm behind the last block of a backbone.

    Raises:
        ValueError: If there is none, or the table of sites does not know it.
    """
    path = sites_of(backbone).final_norm
    path = path(backbone) if callable(path) else path
    try:
        norm = _get(backbone, path) if path else None
    except AttributeError:
        norm = None
    if norm is None or isinstance(norm, nn.Identity):
        raise ValueError(f'{type(backbone).__name__} has no norm behind its '
                         'last block that the table of sites knows.')
    return norm


@dataclass(frozen=True)
class Spot:
    """A place of a site in one backbone.

    It stays valid while adapters are attached: it names the module that
    holds the adapted one, and a wrapped module keeps its own parts.

    Attributes:
        parent: Module that holds the adapted one.
        name: Its name there.
        site: What an adapter is told.
        block: The block, or None outside the blocks.
        place: Where it is in the block, or None.
    """
    parent: nn.Module
    name: str
    site: Site
    block: Optional[nn.Module] = None
    place: Optional[Place] = None

    @property
    def module(self) -> nn.Module:
        """What stands there now."""
        return getattr(self.parent, self.name)

    def open(self) -> None:
        """Make one module of what belongs to the site, once.

        Raises:
            ValueError: If the norm in front of it is part of another site.
        """
        if self.place is None:
            return
        if self.place.then:
            _join(self.block, self.parent, self.name, self.place.then)
        norm = self.place.norm and getattr(self.block, self.place.norm)
        opened = isinstance(norm, nn.Identity)
        if opened != _is_normed(self.module) \
                or isinstance(self.module, nn.Identity):
            raise ValueError(
                f'site={self.site.name!r} of {self.site.backbone}: the norm '
                'in front of it is part of another site by now. Name adapters '
                'of normalised tokens before those of the stream, and give '
                'the latter one site.')
        if norm is not None and not opened:
            setattr(self.parent, self.name, Normed(norm, self.module))
            setattr(self.block, self.place.norm, nn.Identity())


def locate(backbone: nn.Module,
           site: str,
           blocks: Optional[Sequence[int]] = None) -> List[Spot]:
    """Every place of a site in a backbone.

    Args:
        backbone: A bare backbone, without adapters.
        site: ``'stem'``, ``'tokens'``, ``'block'`` or a site of the
            backbone's row.
        blocks: Indices of blocks, negative ones from the end; None is all
            that have the site.

    Raises:
        ValueError: If the backbone has no such site, or not in a block that
            is asked for.
    """
    row, kind = sites_of(backbone), type(backbone).__name__
    if site not in row.names:
        raise ValueError(f'{kind} has no site {site!r}; it has '
                         f'{", ".join(row.names)}.')
    everywhere = _everywhere(backbone, site)
    places = row.blocks_of(backbone)

    if site in (STEM, TOKENS):
        if blocks is not None:
            raise ValueError(f'site={site!r} lies outside the blocks: '
                             f'blocks={list(blocks)} cannot go with it.')
        dims = _width(_get(getattr(*places[0]), row.norm))
        return [
            Spot(
                *_parent(backbone,
                         row.stem.path if site == STEM else row.tokens),
                Site(dims=dims, num_blocks=len(places), **everywhere))
        ]

    place = row.places.get(site)
    when, why = (row.keeps, CHANGES) if place is None else (place.when,
                                                            place.without)
    if place is not None:
        changes = dict(row=place.row, as_map=place.as_map, layout=place.layout)
        if place.row == 'window' and place.as_map is None:
            changes['as_map'] = False
        everywhere.update({k: v for k, v in changes.items() if v is not None})
    found = {}
    for index, (holder, key) in enumerate(places):
        block = getattr(holder, key)
        if when and not when(block):
            continue
        norm = _get(block, row.norm)
        found[index] = Spot(
            *((holder,
               key) if place is None else _find(backbone, block, place, site)),
            Site(
                dims=_width(norm),
                block=index,
                num_blocks=len(places),
                norm=norm,
                attn=_get(block, row.attn) if row.attn else None,
                **everywhere), block, place)
    chosen = _choose(found, blocks, len(places), site, kind, why)
    return [
        replace(s, site=replace(s.site, chosen=tuple(chosen)))
        for s in chosen.values()
    ]


def taps_of(backbone: nn.Module,
            blocks: Optional[Sequence[int]] = None) -> List[Spot]:
    """Blocks whose tokens are read behind them.

    These are all blocks, those too that change the number or the width of
    their tokens, and what adapters stand around them. ``dims`` of their sites
    is the width of what they give, which the ``stream`` of the row reads.

    Args:
        backbone: A backbone, with adapters or without.
        blocks: Indices of blocks, negative ones from the end; None is all.

    Raises:
        ValueError: If a block does not exist.
    """
    row = sites_of(backbone)
    everywhere = _everywhere(backbone, BLOCK)
    places = row.blocks_of(backbone)
    found = {}
    for index, (holder, key) in enumerate(places):
        block = unwrapped(getattr(holder, key))
        dims = row.stream.dims(block) if row.stream.dims else _width(
            unwrapped(getattr(*resolve(block, row.norm))))
        found[index] = Spot(
            holder, key,
            Site(dims=dims, block=index, num_blocks=len(places), **everywhere),
            block)
    chosen = _choose(found, blocks, len(places), BLOCK,
                     type(backbone).__name__, '')
    return list(chosen.values())


def _everywhere(backbone: nn.Module, site: str) -> Dict[str, Any]:
    """What is the same at a site of all blocks."""
    row = sites_of(backbone)
    extra_tokens = row.extra_tokens(backbone)
    return dict(
        name=site,
        backbone=type(backbone).__name__,
        stem=row.stem,
        extra_tokens=extra_tokens,
        class_tokens=row.class_tokens(backbone, extra_tokens),
        row=row.row if isinstance(row.row, str) else row.row(backbone),
        as_map=row.as_map and site != STEM,  # it is unpacked
        raster=row.raster or site == STEM,
        rotary=row.rotary(backbone),
        windows=row.regions or row.windows is not None)


def _choose(found: Mapping[int, Spot], blocks: Optional[Sequence[int]],
            number: int, site: str, kind: str, why: str) -> Dict[int, Spot]:
    wanted = list(found) if blocks is None else list(blocks)
    if not wanted:
        raise ValueError(f'The adapter at site={site!r} stands nowhere in '
                         f'{kind}: blocks={blocks}{why and f", {why}"}.')
    wrong = [b for b in wanted if not -number <= b < number]
    if wrong:
        raise ValueError(f'blocks={wanted}: {kind} has {number} blocks, '
                         f'{wrong} are not among them.')
    wanted = sorted({b % number for b in wanted})
    without = [b for b in wanted if b not in found]
    if without:
        raise ValueError(f'blocks={wanted}: the blocks {without} of {kind} '
                         f'have no site {site!r}; {list(found)} have it'
                         f'{why and f" ({why})"}.')
    return {b: found[b] for b in wanted}


def _find(backbone: nn.Module, block: nn.Module, place: Place,
          site: str) -> Tuple[nn.Module, str]:
    """Parent and name of a place in a block.

    Raises:
        ValueError: If a backbone that inherits its row has something else
            there.
    """
    try:
        parent, name = _parent(block, place.path)
        module = getattr(parent, name)
        for path in filter(None, (place.then, place.norm)):
            _get(block, path)
    except AttributeError as error:
        raise ValueError(f'{type(backbone).__name__} inherits a row with the '
                         f'site {site!r}, but its blocks have none '
                         f'({error}).') from None
    layout = place.layout
    if layout is not None and not layout.knows(module):
        raise ValueError(
            f'The site {site!r} of {type(backbone).__name__} is a '
            f'{type(module).__name__}; its row knows '
            f'{" and ".join(layout.modules)} of softmax attention.')
    return parent, name


def resolve(block: nn.Module, path: str) -> Tuple[nn.Module, str]:
    """Parent and name of a module in a block that has adapters.

    What wraps a module on the way is passed through, what wraps the module
    itself is not.

    Args:
        block: A block, with adapters or without.
        path: Dotted name in the bare block.
    """
    *lead, name = path.split('.')
    module = unwrapped(block)
    for part in lead:
        module = unwrapped(getattr(module, part))
    return module, name


def unwrapped(module: nn.Module) -> nn.Module:
    """A module of a backbone without the adapters around it."""
    while isinstance(module, Wrapper):
        module = module.base
    return module


class Joined(Wrapper):
    """``then(base(x))`` as one module, made of two of a block.

    Args:
        base: A branch of the block.
        then: What its output passes.
    """

    def __init__(self, base: nn.Module, then: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.then = then

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """As the branch itself."""
        return self.then(self.base(x, *args, **kwargs))


class Scaled(nn.Module):
    """``gamma * x``, LayerScale whose vector a block holds itself.

    Args:
        gamma: The vector ``(C,)``.
    """

    def __init__(self, gamma: nn.Parameter) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C) -> same``."""
        return self.gamma * x


class Normed(Wrapper):
    """``f(LN z)`` as one module that is called with z, made of two of a block.

    Args:
        norm: The LayerNorm.
        branch: Called with the normalised tokens; if the block hands on what
            is added to its output, ``identity``, that is z.
    """

    def __init__(self, norm: nn.Module, branch: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.branch = branch

    @property
    def base(self) -> nn.Module:
        """The branch."""
        return self.branch

    def forward(self, x: Tensor, identity: Optional[Tensor] = None) -> Tensor:
        """``(B*T, N, C) -> same``; the block's own ``identity`` is x."""
        if identity is None:
            return self.branch(self.norm(x))
        return self.branch(self.norm(x), identity=x)


def _is_normed(module: nn.Module) -> bool:
    """Whether a norm is part of a module that adapters may stand around."""
    while isinstance(module, Wrapper) and not isinstance(module, Normed):
        module = module.base
    return isinstance(module, Normed)


def _join(block: nn.Module, parent: nn.Module, name: str, then: str) -> None:
    """Let a branch of a block end behind its scale, once."""
    holder, key = resolve(block, then)
    scale = getattr(holder, key)
    if isinstance(scale, nn.Parameter):
        setattr(parent, name, Joined(getattr(parent, name), Scaled(scale)))
        # Not None: some blocks ask one scale whether there are two.
        delattr(holder, key)
        setattr(holder, key, 1.)
    elif isinstance(scale, nn.Module) and not isinstance(scale, nn.Identity):
        setattr(parent, name, Joined(getattr(parent, name), scale))
        setattr(holder, key, nn.Identity())


def _children(module: nn.Module, pattern: str) -> List[Tuple[nn.Module, str]]:
    found = [(module, '', module)]
    for part in pattern.split('.'):
        found = [(parent, name, child) for _, _, parent in found
                 for name, child in _named(parent, part)]
    return [(parent, name) for parent, name, _ in found]


def _named(module: nn.Module, part: str) -> Iterator[Tuple[str, nn.Module]]:
    if part == '*':
        return module.named_children()
    return iter([(part, getattr(module, part))])


def _get(module: nn.Module, path: str) -> Any:
    for name in path.split('.'):
        module = getattr(module, name)
    return module


def _parent(module: nn.Module, path: str) -> Tuple[nn.Module, str]:
    lead, _, name = path.rpartition('.')
    return (_get(module, lead) if lead else module), name


def _width(norm: nn.Module) -> int:
    return norm.weight.shape[-1]
