"""Load a published checkpoint into a backbone, completely or not at all."""
from pathlib import PurePosixPath
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from mmengine.logging import print_log
from torch import nn

from ..complete import listed
from .base import StateDict, matches
from .formats import Converted, convert
from .inflate import inflate
from .reading import read_checkpoint
from .resizing import resize_tables

# Tensors that a model may do without, as its config says: the projection, the
# class token, a norm whose output is not asked for.
OPTIONAL = (r'proj', r'cls_token', r'ln\d\..*', r'norm\d?\..*')
# Buffers that the constructor computes from sizes alone.
COMPUTED = (r'(.*\.)?relative_position_index', r'pos_embed')


def load_pretrained(backbone: nn.Module,
                    checkpoint: str,
                    prefix: Optional[str] = None) -> Tuple[str, str]:
    """Load a published checkpoint, whatever its format, into a backbone.

    Args:
        backbone: A bare backbone.
        checkpoint: Path or URL of the file.
        prefix: Prefix of the backbone's names in the file. Defaults to
            ``backbone`` if there are such names.

    Returns:
        Name of the format and of the file.

    Raises:
        ValueError: If a tensor of the backbone is missing, a tensor of the
            file is left over, a shape differs, or the format, the file or
            the config beside it tells of another activation, eps or number
            of heads than the backbone has. Nothing is loaded then.
    """
    read = read_checkpoint(checkpoint)
    found = convert(read.tensors, prefix)
    own = backbone.state_dict()
    tensors = resize_tables(inflate(found.tensors, own), backbone)
    computed = computed_buffers(backbone)

    def differs(name: str) -> bool:
        return tensors[name].shape != own[name].shape

    absent = computed | {n for n in own if matches(n, found.format.fresh)}
    unused = [n for n in tensors if n not in own and matches(n, OPTIONAL)]
    problems = {
        'missing': [n for n in own if n not in tensors and n not in absent],
        'unexpected': [n for n in tensors if n not in own and n not in unused],
        'of another shape': [
            f'{n} ({_shape(tensors[n])} in the file, {_shape(own[n])} in the '
            'model)' for n in own
            if n in tensors and differs(n) and n not in computed
        ],
        'of another kind':
        contradictions(
            found.format.facts(found.source, read.config), backbone),
    }
    if any(problems.values()):
        raise ValueError(' '.join([
            f'{checkpoint}, recognised as {found.format.name}, does not fit '
            f'{type(backbone).__name__}.',
            *(f'{what}: {listed(names, 8)}.'
              for what, names in problems.items() if names), found.format.hint
        ]).rstrip())

    loaded = {n: t for n, t in tensors.items() if n in own and not differs(n)}
    backbone.load_state_dict({**own, **loaded}, strict=True)
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
    parts = list(backbone.modules())
    own: Dict[str, set] = dict(
        eps={m.eps
             for m in parts if isinstance(m, nn.LayerNorm)},
        act={type(m).__name__
             for m in parts} & {'GELU', 'QuickGELU', 'ReLU', 'SiLU'},
        num_heads={
            m.num_heads
            for m in parts if isinstance(getattr(m, 'num_heads', None), int)
        })
    return [
        f'{name} ({value} in the file, {", ".join(map(str, own[name]))} in '
        'the model)' for name, value in facts.items()
        if own[name] and own[name] != {value}
    ]


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
    if found.left_out:
        tops = sorted(
            {n.replace('/', '.').split('.')[0]
             for n in found.left_out})
        lines.append(f'{len(found.left_out)} tensors of other parts left out: '
                     f'{listed(tops, 8)}.')
    print_log(' '.join(lines), logger='current')


def _shape(tensor) -> str:
    return '{}'.format(tuple(tensor.shape))
