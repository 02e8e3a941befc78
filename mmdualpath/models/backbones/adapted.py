"""A frozen backbone seen through adapters."""
import json
from dataclasses import replace
from typing import Dict, Mapping, Optional, Sequence, Tuple, Union

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...options import fits
from ..adapters.base import Adapter
from .frozen import (FrozenBackbone, combine, digest, matching, share,
                     tensors_of)
from .sites import BLOCK, locate, open_residual, sites_of

FINGERPRINT = 'frozen_backbone'


class Checkpointed(nn.Module):
    """Recomputes a block in the backward pass instead of storing it."""

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """As the block itself."""
        if not torch.is_grad_enabled():
            return self.base(x, *args, **kwargs)
        return checkpoint(self.base, x, *args, use_reentrant=False, **kwargs)


def inject(backbone: nn.Module, adapters: Sequence[Mapping]) -> None:
    """Wrap modules of a backbone with adapters, in place.

    All sites are looked up on the bare backbone first; then the adapters are
    attached in the order given, a later one around an earlier one on the same
    module.

    Args:
        backbone: A bare backbone whose class has a row in the sites table.
        adapters: One config per method: ``type``, ``site``, optionally
            ``blocks`` (indices of blocks, negative ones from the end;
            defaults to all), and the adapter's own arguments.

    Raises:
        ValueError: If a config names no site, or an unknown site or block, or
            adapters are set for clips of different lengths.
    """
    plans = []
    for cfg in adapters:
        cfg = dict(cfg)
        if 'site' not in cfg:
            raise ValueError(f'The adapter {cfg} names no site, such as '
                             "site='attn'.")
        site, blocks = cfg.pop('site'), cfg.pop('blocks', None)
        if not fits(site, str):
            raise ValueError(f'site={site!r} must be the name of a site.')
        if not fits(blocks, Optional[Sequence[int]]):
            raise ValueError(f'blocks={blocks!r} must be a list of indices.')
        plans.append((cfg, _choose(locate(backbone, site), blocks)))
    residual = sites_of(backbone).residual
    for cfg, places in plans:
        for parent, name, site in places:
            if site.name in residual:
                open_residual(parent, name, residual[site.name])
            base = getattr(parent, name)
            # Also where the default scope is another one's, as mmpretrain's.
            cfg = dict(cfg, base=base, site=site, _scope_='mmaction')
            setattr(parent, name, MODELS.build(cfg))
    _reconcile([m for m in backbone.modules() if isinstance(m, Adapter)])


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


def _choose(places: list, blocks: Optional[Sequence[int]]) -> list:
    if blocks is None:
        return places
    count = places[0][2].num_blocks
    wrong = [b for b in blocks if not -count <= b < count]
    if wrong:
        raise ValueError(f'blocks={list(blocks)}: the backbone has {count} '
                         f'blocks, {wrong} are not among them.')
    wanted = {b % count for b in blocks}
    return [place for place in places if place[2].block in wanted]


@MODELS.register_module()
class AdaptedBackbone(BaseModule):
    """One view of a frozen backbone: its adapters and what else trains.

    The backbone is built, its weights are loaded, it is frozen, and only then
    are adapters attached. Nothing is initialised afterwards:
    ``init_weights`` does nothing.

    Its ``state_dict`` holds what is trained and a fingerprint of what is
    frozen. Loading checks the fingerprint; a checkpoint that brings all
    frozen tensors along replaces them.

    Args:
        backbone: Config of the backbone with ``init_cfg``, or a
            :class:`FrozenBackbone` that several views share.
        adapters: Configs of adapters, see :func:`inject`.
        trainable: Regular expressions over the backbone's parameter names;
            what matches is copied for this view and trained. None trains
            nothing (linear probe), ``.*bias`` is BitFit, the last blocks
            partial and ``.*`` full fine-tuning.
        zero: Regular expressions over parameter names that are zero in this
            view.
        with_cp: Whether to recompute blocks in the backward pass to save
            memory.
        frozen_dtype: Type the frozen parameters are stored in, such as
            ``'bfloat16'``, for training and testing under autocast.
        as_tuple: Whether outputs stay a tuple, which mmpretrain's necks and
            heads read; MMAction2's read the last one itself.

    Raises:
        ValueError: If the backbone has no weights, or a site, block or
            pattern does not exist.
    """

    def __init__(self,
                 backbone: Union[Mapping, FrozenBackbone],
                 adapters: Sequence[Mapping] = (),
                 trainable: Sequence[str] = (),
                 zero: Sequence[str] = (),
                 with_cp: bool = False,
                 frozen_dtype: Optional[str] = None,
                 as_tuple: bool = False) -> None:
        super().__init__()
        self.as_tuple = as_tuple
        frozen = (
            backbone if isinstance(backbone, FrozenBackbone) else
            FrozenBackbone.build(backbone))
        self.base = frozen.view()
        trained = matching(self.base, trainable)
        zeroed = matching(self.base, zero)
        for name in trained:
            _replace(self.base, name, lambda p: p.detach().clone(), True)
        for name in zeroed:
            _replace(self.base, name, torch.zeros_like, False)
        held = {
            id(tensor): name
            for name, tensor in tensors_of(self.base) if name not in trained
        }
        self._fingerprint = frozen.fingerprint(name for name in held.values()
                                               if name not in zeroed)

        blocks = locate(self.base, BLOCK) if with_cp else []
        inject(self.base, adapters)
        for parent, name, _ in blocks:
            setattr(parent, name, Checkpointed(getattr(parent, name)))

        # Recorded once: copies of the model for EMA have no gradients at all.
        self._frozen = {
            name: held[id(tensor)]
            for name, tensor in tensors_of(self) if id(tensor) in held
        }
        self._zeroed = frozenset(zeroed)
        if frozen_dtype is not None:
            dtype = getattr(torch, frozen_dtype, None)
            if not (isinstance(dtype, torch.dtype)
                    and dtype.is_floating_point):
                raise ValueError(f'frozen_dtype={frozen_dtype!r} must be a '
                                 "type of torch, such as 'bfloat16'.")
            self._store_frozen(dtype)
        self._register_state_dict_hook(_drop_frozen)
        self._register_load_state_dict_pre_hook(self._complete)
        self.train()

    def init_weights(self) -> None:
        """Nothing: weights are loaded and adapters initialised already."""
        self._is_init = True

    def train(self, mode: bool = True) -> 'AdaptedBackbone':
        """As of any module; the running statistics that are frozen stay."""
        super().train(mode)
        for name, part in self.named_modules():
            if f'{name}.running_mean' in self._frozen:
                part.eval()
        return self

    def forward(self, x: Tensor) -> Union[Tensor, Tuple[Tensor, ...]]:
        """Features of the last stage, or of all with ``as_tuple``.

        Args:
            x: Images ``(N, 3, H, W)`` or clips ``(N, 3, T, H, W)``.

        Returns:
            What the backbone puts out: class tokens ``(N, C)``, tokens
            ``(N, L, C)`` or a map ``(N, C, h, w)`` or ``(N, C, t, h, w)``.
        """
        out = self.base(x)
        out = tuple(out) if isinstance(out, (tuple, list)) else (out, )
        return out if self.as_tuple else out[-1]

    @property
    def fingerprint(self) -> Dict[str, str]:
        """``sha256`` of the frozen tensors, ``format`` and ``name``."""
        return dict(self._fingerprint)

    def frozen_names(self) -> Sequence[str]:
        """Names in this module of all tensors that are not trained."""
        return tuple(self._frozen)

    def shared_names(self) -> Dict[str, str]:
        """Names here and in the backbone of all tensors that are shared."""
        return {
            name: base
            for name, base in self._frozen.items() if base not in self._zeroed
        }

    def _store_frozen(self, dtype: torch.dtype) -> None:
        for name, tensor in tensors_of(self):
            if name in self._frozen and tensor.is_floating_point():
                tensor.data = tensor.data.to(dtype)

    def _complete(self, state_dict: dict, prefix: str, *args) -> None:
        """Add the frozen tensors that a checkpoint leaves out."""
        theirs = state_dict.pop(prefix + FINGERPRINT, None)
        missing = [n for n in self._frozen if prefix + n not in state_dict]
        if missing and len(missing) < len(self._frozen):
            raise ValueError(
                f'The checkpoint holds {len(self._frozen) - len(missing)} of '
                f'the {len(self._frozen)} frozen tensors of {prefix!r}: it '
                'must hold all or none. Missing are '
                f'{", ".join(missing[:5])}, ...')
        if missing:
            self._check(theirs, prefix)
            own = dict(tensors_of(self))
            state_dict.update({prefix + n: own[n] for n in missing})
        elif self._frozen:
            self._fingerprint = dict(
                sha256=combine({
                    base: digest(state_dict[prefix + name])
                    for name, base in self._frozen.items()
                    if base not in self._zeroed
                }),
                **_decode(theirs, 'format', 'name'))

    def _check(self, theirs: Optional[Tensor], prefix: str) -> None:
        if theirs is None:
            raise ValueError(
                f'The checkpoint has neither the frozen tensors of {prefix!r} '
                f'nor their fingerprint ({prefix}{FINGERPRINT}): it is no '
                'checkpoint of this model.')
        theirs = _decode(theirs)
        if theirs['sha256'] != self._fingerprint['sha256']:
            raise ValueError(
                'The checkpoint was trained on another frozen backbone. It '
                f'needs {_describe(theirs)}; this model has '
                f'{_describe(self._fingerprint)}.')


def _replace(module: nn.Module, name: str, make, trainable: bool) -> None:
    """Give a module a parameter of its own instead of a shared one."""
    holder, _, leaf = name.rpartition('.')
    holder = module.get_submodule(holder)
    setattr(holder, leaf,
            nn.Parameter(make(getattr(holder, leaf)), requires_grad=trainable))


def _drop_frozen(module: AdaptedBackbone, state_dict: dict, prefix: str,
                 local_metadata: dict) -> None:
    for name in module._frozen:
        del state_dict[prefix + name]
    state_dict[prefix + FINGERPRINT] = _encode(module._fingerprint)


def _encode(fingerprint: Mapping[str, str]) -> Tensor:
    """A fingerprint as bytes: every loader carries tensors along."""
    return torch.tensor(
        list(json.dumps(fingerprint).encode()), dtype=torch.uint8)


def _decode(fingerprint: Optional[Tensor], *keys: str) -> Dict[str, str]:
    if fingerprint is None:
        return {key: 'unknown' for key in keys}
    fields = json.loads(bytes(fingerprint.tolist()))
    return {key: fields[key] for key in keys} if keys else fields


def _describe(fingerprint: Mapping[str, str]) -> str:
    return '{format} weights {name!r} (sha256 {sha256:.12})'.format(
        **fingerprint)


__all__ = ['AdaptedBackbone', 'Checkpointed', 'inject', 'share']
