"""A backbone with its weights in place, ready to be seen by several views."""
import copy
import itertools
import re
from dataclasses import dataclass
from typing import (FrozenSet, Iterable, Iterator, Mapping, Optional, Sequence,
                    Tuple)

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...compat import float_drop_probs, load_buffers, no_inflation
from ..weights import computed_buffers, load_pretrained
from .fingerprint import RANDOM, Fingerprint, digest


def tensors_of(module: nn.Module) -> Iterator[Tuple[str, Tensor]]:
    """Every parameter and persistent buffer of a module, by name."""
    for prefix, part in module.named_modules(remove_duplicate=False):
        for name, tensor in (*part._parameters.items(),
                             *part._buffers.items()):
            if tensor is not None \
                    and name not in part._non_persistent_buffers_set:
                yield f'{prefix}.{name}' if prefix else name, tensor


def share(module: nn.Module) -> nn.Module:
    """A second structure over the same tensors.

    Every parameter and buffer of the copy *is* the original's; modules are
    new, so that an adapter attached to one copy is not seen by the other.
    """
    memo = {
        id(t): t
        for t in itertools.chain(module.parameters(), module.buffers())
    }
    return copy.deepcopy(module, memo)


@dataclass(frozen=True)
class FrozenBackbone:
    """A network whose tensors do not train.

    Attributes:
        module: The network, with weights.
        format: Published format of the file they came from.
        name: Name of the file.
        digests: SHA-256 of each tensor, by name.
        computed: Names of the buffers that sizes alone determine.
    """
    module: nn.Module
    format: str
    name: str
    digests: Mapping[str, str]
    computed: FrozenSet[str] = frozenset()

    @classmethod
    def build(cls, cfg: Mapping) -> 'FrozenBackbone':
        """Build a backbone, load its weights and freeze it, in this order.

        Args:
            cfg: Config of the backbone in MMAction2's or mmpretrain's
                registry. Its ``init_cfg`` is ``dict(type='Pretrained',
                checkpoint=PATH_OR_URL)``, or ``dict(type='RandomWeights',
                seed=0)`` where random weights are meant.

        Raises:
            ValueError: If ``init_cfg`` is missing or of another type, or the
                file does not fit the network.
        """
        cfg = dict(cfg)
        init_cfg = dict(cfg.pop('init_cfg', None) or {})
        kind = init_cfg.pop('type', None)
        if kind == 'Pretrained':
            module = MODELS.build(cfg)
            source = load_pretrained(module, **init_cfg)
        elif kind == 'RandomWeights':
            seed = init_cfg.get('seed', 0)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                module = MODELS.build(cfg)
                no_inflation(module)
                # MMEngine would list every tensor of a top-level module.
                module._dump_init_info = lambda: None
                module.init_weights()
                del module._dump_init_info
            source = RANDOM, f'seed {seed}'
        else:
            raise ValueError(
                f'The frozen backbone {cfg.get("type")} has no weights '
                f'(init_cfg={init_cfg and dict(type=kind, **init_cfg)}). '
                "Give init_cfg=dict(type='Pretrained', checkpoint=...), or "
                "init_cfg=dict(type='RandomWeights') if random weights are "
                'meant.')
        float_drop_probs(module)
        load_buffers(module)
        module.requires_grad_(False)
        digests = {  # none on the meta device
            name: '' if tensor.is_meta else digest(tensor)
            for name, tensor in tensors_of(module)
        }
        return cls(module, *source, digests,
                   frozenset(computed_buffers(module)))

    def view(self) -> nn.Module:
        """Another structure over the same tensors, to attach adapters to."""
        return share(self.module)

    def fingerprint(self, names: Iterable[str]) -> Fingerprint:
        """Identify the tensors of the given names and their source."""
        return Fingerprint.of({n: self.digests[n]
                               for n in names},
                              format=self.format,
                              name=self.name)


def matching(module: nn.Module,
             patterns: Optional[Sequence[str]]) -> Tuple[str, ...]:
    """Parameters whose whole name matches one of some patterns.

    Args:
        module: A network.
        patterns: Regular expressions such as ``cls_token``, ``.*bias`` or
            ``layers\\.1[01]\\..*``.

    Raises:
        ValueError: If a pattern matches nothing.
    """
    names = [name for name, _ in module.named_parameters()]
    found = []
    for pattern in patterns or ():
        matched = [n for n in names if re.fullmatch(pattern, n)]
        if not matched:
            raise ValueError(
                f'No parameter of {type(module).__name__} matches '
                f'{pattern!r}; there are {", ".join(names[:8])}, ...')
        found += matched
    return tuple(dict.fromkeys(found))
