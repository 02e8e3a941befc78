"""A frozen backbone seen through adapters."""
import logging
from functools import partial
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple, Union

import torch
from mmaction.registry import MODELS
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...options import checked
from ..complete import refuse_misfit
from ..recompute import recompute
from ..sites import blocks_of, sites_of
from .fingerprint import Fingerprint, digest
from .frozen import FrozenBackbone, matching, tensors_of
from .inject import Adapters, inject
from .resume import first_changed, refuse_unread, resume

FINGERPRINT = 'frozen_backbone'
NORMS = (nn.LayerNorm, nn.GroupNorm, _BatchNorm)


@MODELS.register_module()
@checked
class AdaptedBackbone(BaseModule):
    """One view of a frozen backbone: its adapters and what else trains.

    The backbone is built, its weights are loaded, it is frozen, and only then
    are adapters attached. Nothing is initialised afterwards:
    ``init_weights`` does nothing.

    Its ``state_dict`` holds what is trained and a fingerprint of what is
    frozen. Loading checks the fingerprint, and that every trained tensor is
    there; a checkpoint that brings all frozen tensors along replaces them.

    Args:
        backbone: Config of the backbone with ``init_cfg``, or a
            :class:`FrozenBackbone` that several views share.
        adapters: Configs of adapters, in a list or by names of one's own, see
            :func:`inject`.
        trainable: Regular expressions over the backbone's parameter names;
            what matches is copied for this view and trained. None trains
            nothing (linear probe), ``.*bias`` is BitFit, the last blocks
            partial and ``.*`` full fine-tuning.
        fresh: The same for parameters that are trained from random values,
            normal with a standard deviation of ``C**-0.5``.
        zero: The same for parameters that are zero in this view. Of a table
            of positions, as the table of sites names them, what belongs to a
            class token stays.
        with_cp: Whether to recompute blocks in the backward pass to save
            memory.
        frozen_dtype: Type the frozen parameters are stored in, such as
            ``'bfloat16'``, for training and testing under autocast. Norms
            stay in float32 where it is shorter.
        any_normalization: Whether the data preprocessor may deliberately
            normalise otherwise than the weights were trained with.
        as_tuple: Whether outputs stay a tuple, which mmpretrain's necks and
            heads read; MMAction2's read the last one itself.
        cache: Folder that ``tools/cache_features.py`` wrote. Blocks in front
            of the first one that is adapted or trains are then not run:
            ``CachedFeaturesHook`` lets the loaders read what they put out.

    Raises:
        ValueError: If the backbone has no weights, or a site, block or
            pattern does not exist; or with ``cache`` if nothing is frozen in
            front of what trains.
    """

    def __init__(self,
                 backbone: Union[Mapping, FrozenBackbone],
                 adapters: Adapters = (),
                 trainable: Sequence[str] = (),
                 fresh: Sequence[str] = (),
                 zero: Sequence[str] = (),
                 with_cp: bool = False,
                 frozen_dtype: Optional[str] = None,
                 any_normalization: bool = False,
                 as_tuple: bool = False,
                 cache: Optional[str] = None) -> None:
        super().__init__()
        self.any_normalization = any_normalization
        self.as_tuple = as_tuple
        frozen = (
            backbone if isinstance(backbone, FrozenBackbone) else
            FrozenBackbone.build(backbone))
        self.base = frozen.view()
        random, zeroed = matching(self.base, fresh), matching(self.base, zero)
        trained = (*matching(self.base, trainable), *random)
        both = sorted(set(trained) & set(zeroed))
        if both:
            raise ValueError(f'{", ".join(both)}: a parameter that trains '
                             'cannot be zero.')
        for name in trained:
            own_parameter(self.base, name, lambda p: p.detach().clone(), True)
        for name in random:
            parameter = self.base.get_parameter(name)
            nn.init.normal_(parameter, std=parameter.shape[-1]**-0.5)
        positions = sites_of(self.base).positions if zeroed else {}
        for name in zeroed:
            # A class token is no patch: its position, if any, stays.
            kept = positions[name](self.base) if name in positions else 0
            own_parameter(self.base, name, partial(_zeros, kept), False)
        bare = {id(tensor): name for name, tensor in tensors_of(self.base)}
        held = {i: name for i, name in bare.items() if name not in trained}
        self.fingerprint = frozen.fingerprint(name for name in held.values()
                                              if name not in zeroed)

        blocks = blocks_of(self.base) if with_cp else []
        if adapters:
            inject(self.base, adapters)
        for parent, name in blocks:
            recompute(getattr(parent, name))

        # Recorded once: copies of the model for EMA have no gradients at all.
        self._frozen = {
            name: held[id(tensor)]
            for name, tensor in tensors_of(self) if id(tensor) in held
        }
        self._bare = {
            name: bare[id(tensor)]
            for name, tensor in tensors_of(self) if id(tensor) in bare
        }
        self._zeroed = frozenset(zeroed)
        self._computed = frozen.computed
        self.cache = cache
        if cache is not None:
            self.refuse_cache()
            resume(self.base)
            self.features_suffice = False  # as far as is known
            self.register_forward_hook(refuse_unread)
        if frozen_dtype is not None:
            dtype = getattr(torch, frozen_dtype, None)
            if not (isinstance(dtype, torch.dtype)
                    and dtype.is_floating_point):
                raise ValueError(f'frozen_dtype={frozen_dtype!r} must be a '
                                 "type of torch, such as 'bfloat16'.")
            self._store_frozen(dtype)
        self.register_state_dict_post_hook(_drop_frozen)
        self.register_load_state_dict_pre_hook(_complete)
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
            x: Images ``(N, 3, H, W)`` or clips ``(N, 3, T, H, W)``; with
                ``cache`` the tokens of a block, ``(N, 1, L, C)``.

        Returns:
            What the backbone puts out: class tokens ``(N, C)``, tokens
            ``(N, L, C)`` or a map ``(N, C, h, w)`` or ``(N, C, t, h, w)``.

        Raises:
            ValueError: If what it puts out needs blocks that ``cache`` does
                not have.
        """
        out = self.base(x)
        out = tuple(out) if isinstance(out, (tuple, list)) else (out, )
        return out if self.as_tuple else out[-1]

    def refuse_cache(self) -> None:
        """Refuse what cannot go on from features in files.

        Raises:
            ValueError: If no block is as in the frozen network.
        """
        if self._zeroed or not first_changed(self.base):
            raise ValueError(
                f'{type(self.base).__name__} is not the frozen network in its '
                'first block any more: features in files are of blocks in '
                'front of all that is adapted, zero or trains. Set blocks of '
                'adapters, such as [-4, -3, -2, -1].')

    def features_of(self, cfg: Mapping) -> Dict[str, Any]:
        """Config of the ``FrozenFeatures`` that files of features are of.

        Args:
            cfg: Its own config.
        """
        own = ('backbone', 'frozen_dtype', 'any_normalization')
        return dict(
            type='FrozenFeatures',
            blocks=[first_changed(self.base) - 1],
            **{k: cfg[k]
               for k in own if k in cfg})

    def frozen_names(self) -> Sequence[str]:
        """Names in this module of all tensors that are not trained."""
        return tuple(self._frozen)

    def bare_names(self) -> Mapping[str, str]:
        """Names here and in the backbone of all tensors of the backbone."""
        return self._bare

    def shared_names(self) -> Mapping[str, str]:
        """Names here and in the backbone of all tensors that are shared."""
        return {
            name: base
            for name, base in self._frozen.items() if base not in self._zeroed
        }

    def _store_frozen(self, dtype: torch.dtype) -> None:
        # Autocast computes norms in float32, and on a CPU casts nothing.
        norms = [m for m in self.modules() if isinstance(m, NORMS)]
        kept = {
            id(tensor)
            for norm in norms if dtype.itemsize < torch.float32.itemsize
            for _, tensor in tensors_of(norm)
        }
        for name, tensor in tensors_of(self):
            if name in self._frozen and tensor.is_floating_point() \
                    and id(tensor) not in kept:
                tensor.data = tensor.data.to(dtype)


def _zeros(kept: int, parameter: Tensor) -> Tensor:
    """As many zeros, but for the first ``kept`` rows of ``(..., L, C)``."""
    zeros = torch.zeros_like(parameter)
    if kept:
        zeros[..., :kept, :] = parameter[..., :kept, :]
    return zeros


def own_parameter(module: nn.Module, name: str, make: Any,
                  trainable: bool) -> None:
    """Give a module a parameter of its own instead of a shared one.

    Args:
        module: The module, changed in place.
        name: Name of the parameter there.
        make: Called with the shared one, gives the values.
        trainable: Whether it trains.
    """
    holder, _, leaf = name.rpartition('.')
    holder = module.get_submodule(holder)
    setattr(holder, leaf,
            nn.Parameter(make(getattr(holder, leaf)), requires_grad=trainable))


def _drop_frozen(view: AdaptedBackbone, state_dict: dict, prefix: str,
                 local_metadata: dict) -> None:
    for name in view._frozen:
        del state_dict[prefix + name]
    state_dict[prefix + FINGERPRINT] = view.fingerprint.encode()


def _complete(view: AdaptedBackbone, state_dict: dict, prefix: str, *args:
              Any) -> None:
    """Add the frozen tensors that a checkpoint leaves out, and check it."""
    theirs = state_dict.pop(prefix + FINGERPRINT, None)
    theirs = None if theirs is None else Fingerprint.decode(theirs)
    own = dict(tensors_of(view))
    missing = [n for n in view._frozen if prefix + n not in state_dict]
    if len(missing) < len(view._frozen):
        # Some authors' networks keep no tensors of what sizes determine.
        computed = [n for n in missing if view._frozen[n] in view._computed]
        state_dict.update({prefix + n: own[n] for n in computed})
        missing = [n for n in missing if n not in computed]
    if missing and len(missing) < len(view._frozen):
        raise ValueError(
            f'The checkpoint holds {len(view._frozen) - len(missing)} of the '
            f'{len(view._frozen)} frozen tensors of {prefix!r}: it must hold '
            f'all or none. Missing are {", ".join(missing[:5])}, ...')
    if missing and theirs is None:
        raise ValueError(
            f'The checkpoint has neither the frozen tensors of {prefix!r} nor '
            f'their fingerprint ({prefix}{FINGERPRINT}): it is no checkpoint '
            'of this model.')
    if missing and not theirs.fits(view.fingerprint):
        raise ValueError('The checkpoint was trained on another frozen '
                         f'backbone. It needs {theirs}; this model has '
                         f'{view.fingerprint}.')
    if missing and not theirs.known:
        print_log(
            'The checkpoint does not identify the frozen weights it was '
            f'trained on, known to be {theirs}. This model has '
            f'{view.fingerprint}: see that they are the same.',
            logger='current',
            level=logging.WARNING)
    state_dict.update({prefix + n: own[n] for n in missing})
    refuse_misfit(view, own, state_dict, prefix)
    if not missing and view._frozen:
        brought = {
            base: digest(state_dict[prefix + name])
            for name, base in view.shared_names().items()
        }
        source = dict(format=theirs.format, name=theirs.name) if theirs else {}
        view.fingerprint = Fingerprint.of(brought, **source)
