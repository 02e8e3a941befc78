"""Load a published checkpoint into a backbone, completely or not at all."""
from pathlib import PurePosixPath
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from mmengine.logging import print_log
from torch import nn

from ...compat import load_buffers
from ..complete import listed
from .base import StateDict, matches
from .formats import Converted, convert
from .inflate import inflate
from .reading import read_checkpoint
from .resizing import resize_tables
from .timm import sizeless_facts

# Buffers that the constructor computes from sizes alone.
COMPUTED = (r'(.*\.)?relative_(position_index|coords_table)', r'pos_embed')


def load_pretrained(backbone: nn.Module,
                    checkpoint: str,
                    prefix: Optional[str] = None,
                    act: Optional[str] = None) -> Tuple[str, str]:
    """Load a published checkpoint, whatever its format, into a backbone.

    Args:
        backbone: A bare backbone.
        checkpoint: Path or URL of the file.
        prefix: Prefix of the backbone's names in the file. Defaults to
            ``backbone`` if there are such names.
        act: Activation that the weights were trained with, ``'GELU'`` or
            ``'QuickGELU'``, where neither the file nor what lies beside it
            tells.

    Returns:
        Name of the format and of the file.

    Raises:
        ValueError: If a tensor of the backbone is missing, a tensor of the
            file is left over, a shape differs, or the format, the file or
            the config beside it tells of another activation, eps, pooling or
            number of heads than the backbone has, or nothing tells which
            activation a CLIP model has. Nothing is loaded then.
    """
    read = read_checkpoint(checkpoint)
    found = convert(read.tensors, prefix, getattr(backbone, 'format', None))
    own = backbone.state_dict()
    tensors = resize_tables(inflate(found.tensors, own), backbone)
    computed = computed_buffers(backbone)

    def differs(name: str) -> bool:
        return tensors[name].shape != own[name].shape

    absent = computed | {n for n in own if matches(n, found.format.fresh)}
    unused = [
        n for n in tensors
        if n not in own and matches(n, found.format.optional)
    ]
    facts = found.format.facts(found.source, read.config)
    _tell_activation(checkpoint, facts, found, backbone, act)
    normalization = facts.pop('normalization', None)
    problems = {
        'missing': [n for n in own if n not in tensors and n not in absent],
        'unexpected': [n for n in tensors if n not in own and n not in unused],
        'of another shape': [
            f'{n} ({_shape(tensors[n])} in the file, {_shape(own[n])} in the '
            'model)' for n in own
            if n in tensors and differs(n) and n not in computed
        ],
        'of another kind':
        contradictions(facts, backbone),
    }
    if any(problems.values()):
        raise ValueError(' '.join([
            f'{checkpoint}, recognised as {found.format.name}, does not fit '
            f'{type(backbone).__name__}.',
            *(f'{what}: {listed(names, 8)}.'
              for what, names in problems.items() if names), found.format.hint
        ]).rstrip())

    loaded = {n: t for n, t in tensors.items() if n in own and not differs(n)}
    load_buffers(backbone)
    backbone.load_state_dict({**own, **loaded}, strict=True)
    if normalization is not None:
        backbone.normalization = normalization
    _report(backbone, checkpoint, found, loaded, own, unused)
    return found.format.name, PurePosixPath(checkpoint).name


def computed_buffers(backbone: nn.Module) -> Set[str]:
    """Names of the buffers that the constructor computes from sizes alone."""
    return {n for n, _ in backbone.named_buffers() if matches(n, COMPUTED)}


def contradictions(facts: Mapping[str, Any], backbone: nn.Module) -> List[str]:
    """What is known of the weights and does not hold for the model.

    Args:
        facts: See :class:`Format`.
        backbone: The model.
    """
    own: Dict[str, set] = dict(
        sizeless_facts(backbone),
        pooling={getattr(backbone, 'pooling', None)} - {None},
        **{
            name: {value}
            for name, value in getattr(backbone, 'facts', {}).items()
        })

    def text(values: Any) -> str:
        values = values if isinstance(values, set) else {values}
        return ' and '.join(sorted(map(str, values)))

    def agrees(given: Any, here: set) -> bool:
        # What is left out of a model may differ from the rest of it.
        return here <= given if isinstance(given, set) else here == {given}

    found: Dict[str, List[str]] = {}
    for name, value in facts.items():
        here = own.get(name)
        if here and not agrees(value, here):
            place, _, kind = name.rpartition('.')
            found.setdefault(
                f'{kind} ({text(value)} in the file, {text(here)} in the '
                'model)', []).append(place)
    return [
        f'{what} of {listed(places, 2)}' if places != [''] else what
        for what, places in found.items()
    ]


def _tell_activation(checkpoint: str, facts: Dict[str, Any], found: Converted,
                     backbone: nn.Module, act: Optional[str]) -> None:
    """Add what a user or the name of a model says of the activation."""
    told = any(name.rpartition('.')[-1] == 'act' for name in facts)
    if act is not None and not told:
        facts['act'] = act
    elif not (told or getattr(backbone, 'knows_activation', False)) \
            and found.format.asks_activation(found.source):
        raise ValueError(
            f'{checkpoint} is a CLIP model, and nothing beside it tells '
            'whether it was trained with GELU or QuickGELU (OpenAI, '
            'MetaCLIP). Put the config.json or open_clip_config.json that is '
            "published with it beside it, or give init_cfg=dict(..., "
            "act='GELU') or act='QuickGELU'.")


def _report(backbone: nn.Module, checkpoint: str, found: Converted,
            loaded: StateDict, own: StateDict, unused: Sequence[str]) -> None:
    lines = [
        f'Loaded {len(loaded)} of the {len(own)} tensors of '
        f'{type(backbone).__name__} from {checkpoint} ({found.format.name}).'
    ]
    rest = [n for n in own if n not in loaded]
    if rest:
        lines.append(f'As constructed: {listed(rest, 3)}.')
    inflated = [n for n in loaded if loaded[n].dim() > found.tensors[n].dim()]
    if inflated:
        lines.append(f'Inflated along time: {listed(inflated, 3)}.')
    if unused:
        lines.append(f'Not part of this model: {listed(unused, 4)}.')
    if getattr(backbone, 'normalization', None) is None:
        lines.append('Nothing tells with which mean and std their pixels were '
                     'normalised: those of the data preprocessor are taken.')
    if found.left_out:
        tops = sorted(
            {n.replace('/', '.').split('.')[0]
             for n in found.left_out})
        lines.append(f'{len(found.left_out)} tensors of other parts left out: '
                     f'{listed(tops, 8)}.')
    print_log(' '.join(lines), logger='current')


def _shape(tensor) -> str:
    return '{}'.format(tuple(tensor.shape))
