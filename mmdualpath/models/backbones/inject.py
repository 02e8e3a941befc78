"""Adapters are attached to a bare backbone."""
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from mmaction.registry import MODELS
from torch import nn

from ...options import build, fits, unknown
from ..adapters.attention import AttentionAdapter
from ..adapters.base import Adapter
from ..sites import Spot, Wrapper, locate

Adapters = Union[Sequence[Mapping], Mapping[str, Mapping]]
Spots = Tuple[Spot, Optional[Spot]]


def inject(backbone: nn.Module, adapters: Adapters) -> None:
    """Wrap modules of a backbone with adapters, in place.

    All sites are looked up on the bare backbone first; then the adapters are
    attached in the order of the list, or of their names in the alphabet, a
    later one around an earlier one on the same module. (The order in which
    names are written is lost in the config that a checkpoint brings along.)

    Args:
        backbone: A bare backbone whose class has a row in the sites table.
        adapters: One config per method: ``type``, ``site``, optionally
            ``blocks`` (indices of blocks, negative ones from the end;
            defaults to all), ``enabled=False`` to leave it out, and the
            adapter's own arguments. By names of one's own, a config that
            inherits can change one of them.

    Raises:
        ValueError: If a config names no site (which those of a base do, so
            that its name is none of them), or an unknown site or block, an
            adapter does not fit there, or adapters are set for clips of
            different lengths.
    """
    plans = [_plan(backbone, cfg) for cfg in _listed(adapters)]
    attached = []
    for kind, options, spots in plans:
        for spot, reader in spots:
            spot.open()
            if reader is not None:
                _let_call(reader)
            adapter = build(
                MODELS,
                dict(options, type=kind),
                base=spot.module,
                site=spot.site)
            setattr(spot.parent, spot.name, adapter)
            attached.append(adapter)
    _reconcile(attached)


def _listed(adapters: Adapters) -> List[Dict[str, Any]]:
    """The configs of all methods in their order, without those left out."""
    by_name = sorted(adapters.items()) if isinstance(adapters, Mapping) \
        else enumerate(adapters)
    chosen = []
    for name, cfg in by_name:
        if not isinstance(cfg, Mapping):
            raise ValueError(f'The adapter {name!r} is {cfg}; it must be a '
                             'config. One that a base has is left out by '
                             f'{name}=dict(enabled=False).')
        # A name that no base has, misspelt perhaps, comes without them.
        if 'site' not in cfg or 'type' not in cfg:
            raise ValueError(f'The adapter {name!r} is {dict(cfg)}; it must '
                             'name its type and its site, such as '
                             "type='ParallelAdapter', site='mlp', or be "
                             'called as one of the base config.')
        options = dict(cfg)
        enabled = options.pop('enabled', True)
        if not isinstance(enabled, bool):
            raise ValueError(f'enabled={enabled!r} of the adapter {name!r} '
                             'must be True or False.')
        if enabled:
            chosen.append(options)
    return chosen


def _plan(backbone: nn.Module,
          options: Dict[str, Any]) -> Tuple[type, Dict[str, Any], List[Spots]]:
    """Class, options and places of one method, each place with that of the
    attention that reads its weight without calling it."""
    name, site = options.pop('type'), options.pop('site')
    blocks = options.pop('blocks', None)
    if not fits(site, str):
        raise ValueError(f'site={site!r} must be the name of a site.')
    if not fits(blocks, Optional[Sequence[int]]):
        raise ValueError(f'blocks={blocks!r} must be a list of indices.')
    # Also where the default scope is another one's, as mmpretrain's.
    kind = MODELS.get(f'mmaction.{name}') if isinstance(name, str) else name
    if kind is None:
        raise ValueError(unknown(MODELS, name))
    if not (isinstance(kind, type) and issubclass(kind, Adapter)):
        raise ValueError(f'type={name!r} is no adapter.')
    spots = [(spot, None) for spot in locate(backbone, site, blocks)]
    place = spots[0][0].place
    if place is not None and place.reader:
        spots = [(spot, *locate(backbone, place.reader, [spot.site.block]))
                 for spot, _ in spots]
    return kind, options, spots


def _let_call(reader: Spot) -> None:
    """Let an attention call its projection instead of reading its weight."""
    parent, name, module = reader.parent, reader.name, reader.module
    while isinstance(module, Wrapper):
        if isinstance(module, AttentionAdapter):
            return
        parent, name, module = module, 'base', module.base
    setattr(parent, name, AttentionAdapter(module, reader.site))


def _reconcile(adapters: Sequence[Adapter]) -> None:
    """Tell adapters what others do to the batch and the tokens they see."""
    counts = {a.images_per_clip for a in adapters} - {None}
    if len(counts) > 1:
        raise ValueError('The adapters of one view are set for clips of '
                         f'{sorted(counts)} images; they must agree.')
    for outer in adapters:
        for inner in outer.base.modules() if outer.added_tokens else ():
            if isinstance(inner, Adapter):
                inner.site = replace(
                    inner.site,
                    extra_tokens=inner.site.extra_tokens + outer.added_tokens)


def strip(network: nn.Module) -> nn.Module:
    """Take all adapters off a network, in place."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            while isinstance(child, Adapter):
                child = child.base
                setattr(module, name, child)
    return network


def fold(network: nn.Module) -> nn.Module:
    """Put adapters into the frozen weights they stand at, in place.

    What costs nothing stays. The tensors change for all that share them.

    Raises:
        ValueError: If an adapter does not fold. Some may have by then.
    """
    # From the inside out: an adapter folds into a bare layer.
    for module in reversed(list(network.modules())):
        for name, child in module.named_children():
            tensors = child.folded() if isinstance(child, Adapter) else None
            if tensors is None:
                continue
            own = dict(child.base.named_parameters(recurse=False))
            for leaf, tensor in tensors.items():
                if leaf in own:
                    own[leaf].data = tensor.to(own[leaf])
                elif tensor.any():
                    raise child.unfoldable(f'the layer has no {leaf}')
            setattr(module, name, child.base)
    return network
