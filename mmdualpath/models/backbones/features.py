"""A frozen network that is read, not adapted."""
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import (Any, ContextManager, Dict, Iterator, List, Mapping,
                    Optional, Sequence, Tuple, Union)

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..adapters.attention import AttentionAdapter
from ..features import Features, joined
from ..sites import (AttentionInputs, Site, final_norm_of, locate, sites_of,
                     taps_of)
from .adapted import AdaptedBackbone
from .frozen import FrozenBackbone

TOKENS = ('all', 'class_token', 'patches')


@MODELS.register_module()
@checked
class FrozenFeatures(AdaptedBackbone):
    """Tokens of chosen blocks of a frozen network, without a gradient.

    It runs in eval mode under ``no_grad`` whatever the rest of the model
    does, so that no graph holds a tensor of it, and batch norms, dropout and
    stochastic depth inside it stay frozen. Weights, sharing, fingerprint and
    checkpoints are those of a view that trains nothing.

    Args:
        backbone: Config of the backbone with ``init_cfg``, or a
            :class:`FrozenBackbone` that several views share.
        blocks: Indices of blocks, negative ones from the end.
        tokens: ``all``, the ``class_token`` alone, or the ``patches`` alone.
            In clips of UniFormerV2 each frame has a class token.
        final_norm: Whether the norm behind the network's last block is
            applied to the tokens of each chosen block.
        pool: Side of the squares of patches whose means stand for them, in
            each frame; 1 keeps all.
        queries_keys: Whether queries and keys of the chosen blocks' attention
            are handed out, of all tokens.
        images: Whether the images are handed on.
        at_once: Images or clips that pass the network at once, by default
            all. Fewer take less memory.
        cache: Folder that ``tools/cache_features.py`` wrote. The network is
            then not run: ``CachedFeaturesHook`` lets the loaders read its
            features.
        frozen_dtype: Type the network is stored in and runs in, such as
            ``'bfloat16'``; its features are of it. Norms stay in float32
            where it is shorter.
        any_normalization: Whether the data preprocessor may deliberately
            normalise otherwise than the weights were trained with.

    Raises:
        ValueError: If the network has no weights, no such block, no class
            token, no final norm of the blocks' width, or its row in the table
            of sites does not know how its attention is written; or if
            ``pool`` would leave nothing that is asked for.
    """

    def __init__(self,
                 backbone: Union[Mapping, FrozenBackbone],
                 blocks: Sequence[int] = (-1, ),
                 tokens: str = 'all',
                 final_norm: bool = False,
                 pool: int = 1,
                 queries_keys: bool = False,
                 images: bool = False,
                 at_once: Optional[int] = None,
                 cache: Optional[str] = None,
                 frozen_dtype: Optional[str] = None,
                 any_normalization: bool = False) -> None:
        super().__init__(
            backbone,
            frozen_dtype=frozen_dtype,
            any_normalization=any_normalization)
        kind = type(self.base).__name__
        if tokens not in TOKENS:
            raise ValueError(f'tokens={tokens!r} is none of '
                             f'{", ".join(TOKENS)}.')
        spots = taps_of(self.base, blocks)
        if tokens == 'class_token' and not spots[0].site.class_tokens:
            raise ValueError(f'tokens={tokens!r}: {kind} has none.')
        given = dict(
            queries_keys=queries_keys,
            images=images,
            tokens=tokens == 'class_token')
        whole = [name for name, is_given in given.items() if is_given]
        if pool < 1 or pool > 1 and whole:
            raise ValueError(f'pool={pool} is a positive number of patches, '
                             f'and 1 with {" or ".join(whole or given)}: '
                             'only tokens of patches are pooled.')
        if at_once is not None and at_once < 1:
            raise ValueError(f'at_once={at_once} must be positive.')
        self.at_once = at_once
        self.blocks = tuple(spot.site.block for spot in spots)
        self.tokens = tokens
        self.final_norm = final_norm
        self.pool = pool
        self.queries_keys = queries_keys
        self.images = images
        self.dtype = getattr(torch, frozen_dtype) if frozen_dtype else None
        if final_norm:
            width = final_norm_of(self.base).weight.shape[-1]
            other = [s.site.block for s in spots if s.site.dims != width]
            if other:
                raise ValueError(
                    f'final_norm: that of {kind} is of {width} channels, the '
                    f'blocks {other} are of others.')
        self.cache = cache
        if cache is not None:
            self.refuse_cache()
        if queries_keys:
            for spot in locate(self.base, 'msa', blocks):
                AttentionAdapter.check(spot.site)

    def refuse_cache(self) -> None:
        """Refuse what features in files do not have.

        Raises:
            ValueError: If something else than tokens is read.
        """
        for name in ('queries_keys', 'images'):
            if getattr(self, name):
                raise ValueError(f'{name}=True: only tokens are kept in '
                                 'files, not these.')

    def features_of(self, cfg: Mapping) -> Dict[str, Any]:
        """Its own config, whatever it is read from.

        Args:
            cfg: Its own config.
        """
        return {k: v for k, v in cfg.items() if k not in ('cache', 'at_once')}

    def train(self, mode: bool = True) -> 'FrozenFeatures':
        """The network itself stays in eval mode."""
        super().train(mode)
        self.base.train(False)  # some networks' eval() returns None
        return self

    def forward(self, x: Tensor) -> Features:
        """Features of images or clips.

        Args:
            x: Images ``(B, 3, H, W)`` or clips ``(B, 3, T, H, W)``; with
                ``cache`` the tokens of L blocks, ``(B, L, N, C)``.

        Raises:
            ValueError: If ``cache`` is set and these are no such tokens.
        """
        site = taps_of(self.base, self.blocks)[0].site
        if self.cache is not None:
            if x.shape[1] != len(self.blocks) or x.shape[-1] != site.dims:
                raise ValueError(
                    f'cache={self.cache!r}: given {tuple(x.shape)}, no '
                    f'features of {len(self.blocks)} blocks of {site.dims} '
                    'channels. CachedFeaturesHook must be among the hooks of '
                    'the config: it lets the loaders read them.')
            return Features(
                x.unbind(1),
                self._part(site)[1], site.row == 'clip')
        parts = [x] if self.at_once is None else x.split(self.at_once)
        read = [self._read(part) for part in parts]
        features = read[0] if len(read) == 1 else joined(read)
        return features._replace(images=x if self.images else None)

    def _read(self, x: Tensor) -> Features:
        """Features of images or clips that pass the network together."""
        site = taps_of(self.base, self.blocks)[0].site
        heard: Dict[str, List] = dict(tokens=[], queries=[], keys=[])
        with torch.no_grad(), self._precision(x), self._listening(heard):
            self.base(x if self.dtype is None else x.to(self.dtype))
            tokens = heard.pop('tokens')
            if self.final_norm:
                tokens = [final_norm_of(self.base)(t) for t in tokens]
            if self.dtype is not None:  # norms give float32 under autocast
                tokens = [t.to(self.dtype) for t in tokens]
        part, extra = self._part(site)
        if self.pool > 1:
            tokens = [self._pooled(t, site.extra_tokens, x) for t in tokens]
        # A view of the class tokens would keep all others in memory.
        tokens = [t[:, part].contiguous() for t in tokens]
        return Features(
            tuple(tokens), extra, site.row == 'clip', **{
                name: tuple(t)
                for name, t in heard.items()
            })

    def _part(self, site: Site) -> Tuple[slice, int]:
        """Which tokens are handed out, and how many of them are extra."""
        extra, first = site.extra_tokens, site.class_tokens
        return dict(
            all=(slice(None), extra),
            patches=(slice(extra, None), 0),
            class_token=(slice(first), first))[self.tokens]

    def _pooled(self, tokens: Tensor, extra: int, x: Tensor) -> Tensor:
        """``(B, N, C)`` with the means of squares of patches."""
        patches, p = tokens[:, extra:], self.pool
        *_, h, w = sites_of(self.base).map_size(self.base, patches.shape[1], x)
        if h % p or w % p:
            raise ValueError(f'pool={p}: a map of {h} x {w} patches is not '
                             f'made of squares of {p} x {p}.')
        squares = patches.unflatten(1, (-1, h // p, p, w // p, p))
        means = squares.mean((3, 5)).flatten(1, 3)
        return torch.cat((tokens[:, :extra], means), 1)

    @contextmanager
    def _listening(self, heard: Dict[str, List]) -> Iterator[None]:
        """Note what the chosen blocks put out while inside."""

        unpack = sites_of(self.base).stream.unpack

        def note(site: Site, block: nn.Module, args: Any, out: Any) -> None:
            heard['tokens'].append(unpack(self.base, site, out))

        blocks = taps_of(self.base, self.blocks)
        attentions = locate(self.base, 'msa',
                            self.blocks) if self.queries_keys else []
        modules = [spot.module for spot in attentions]
        handles = [
            spot.module.register_forward_hook(partial(note, spot.site))
            for spot in blocks
        ]
        try:
            for spot in attentions:
                setattr(spot.parent, spot.name,
                        _AttentionTap(spot.module, spot.site, heard).eval())
            yield
        finally:
            for handle in handles:
                handle.remove()
            for spot, module in zip(attentions, modules):
                setattr(spot.parent, spot.name, module)

    def _precision(self, x: Tensor) -> ContextManager:
        """What makes the network run in the type it is stored in."""
        if self.dtype in (torch.float16, torch.bfloat16):
            return torch.autocast(x.device.type, self.dtype)
        return nullcontext()


class _AttentionTap(AttentionAdapter):
    """Notes queries and keys of the attention it wraps.

    Args:
        base: The attention module.
        site: Where it stands.
        heard: What was noted by now, by name.
    """

    def __init__(self, base: nn.Module, site: Site, heard: Dict[str,
                                                                List]) -> None:
        super().__init__(base, site)
        self.heard = heard

    def inputs(self, x: Tensor, *args: Any, **kwargs: Any) -> AttentionInputs:
        """As the attention itself."""
        inputs = super().inputs(x, *args, **kwargs).rotated()
        self.heard['queries'].append(inputs.q)
        self.heard['keys'].append(inputs.k)
        return inputs
