"""All published formats, the more particular ones first."""
from typing import List, NamedTuple, Optional

from torch import Tensor

from ..complete import listed
from . import (adaptformer, aim, clip, dualformer, openmmlab, st_adapter, swin,
               video, vit, vpetl)
from .base import Format, StateDict, matches, rename

FORMATS = (*clip.FORMATS, *video.FORMATS, *swin.FORMATS, *vit.FORMATS,
           *dualformer.FORMATS)

# Whole models that authors trained; a method more is a row more.
TRAINED = (*st_adapter.TRAINED, *adaptformer.TRAINED, *vpetl.TRAINED,
           *dualformer.TRAINED, *aim.TRAINED)


class Converted(NamedTuple):
    """A checkpoint under this package's names.

    Attributes:
        format: The format that was recognised.
        tensors: Tensors by their names in the target model.
        left_out: Names in the file that a rule of the format leaves out.
        source: The backbone's tensors under their published names.
    """
    format: Format
    tensors: StateDict
    left_out: List[str]
    source: StateDict


def recognise(state_dict: StateDict) -> Format:
    """The format of a state dict, by its names."""
    return next((f for f in FORMATS if f.recognise(state_dict)),
                openmmlab.FORMAT)


def convert_trained(state_dict: StateDict) -> Optional[Converted]:
    """Give the tensors of an authors' trained model this package's names.

    Args:
        state_dict: Tensors by name.

    Returns:
        The model's tensors, or None if the file is of no such format.

    Raises:
        ValueError: If the format knows nothing of a name in the file.
    """
    state_dict = _without(state_dict, 'module.')
    fmt = next((f for f in TRAINED if f.recognise(state_dict)), None)
    if fmt is None:
        return None
    known = [pattern for pattern, _ in fmt.rules]
    unknown = [n for n in state_dict if not matches(n, known)]
    if unknown:
        raise ValueError(f'The file is recognised as {fmt.name}, but holds '
                         f'{listed(unknown)}, which that format does not '
                         'know.')
    return _converted(fmt, state_dict, [])


def convert(state_dict: StateDict,
            prefix: Optional[str] = None,
            fmt: Optional[Format] = None) -> Converted:
    """Give the tensors of a published checkpoint this package's names.

    Args:
        state_dict: Tensors by name.
        prefix: Prefix of the backbone's names in the file. Defaults to
            ``backbone`` if there are such names; what stands beside a
            backbone, such as a head, is left out.
        fmt: The only format that the target takes; by default it is
            recognised.

    Raises:
        ValueError: If no name begins with the given prefix, or the file is an
            authors' model whose adapters stand among the backbone's tensors.
    """
    state_dict = _without(state_dict, 'module.')
    left_out: List[str] = []
    if prefix is None and any(n.startswith('backbone.') for n in state_dict):
        prefix = 'backbone'
    if prefix:
        dot = prefix.rstrip('.') + '.'
        left_out = [n for n in state_dict if not n.startswith(dot)]
        state_dict = {
            n[len(dot):]: t
            for n, t in state_dict.items() if n.startswith(dot)
        }
        if not state_dict:
            raise ValueError(f'prefix={prefix!r}: no name in the file begins '
                             f'with it; there are {", ".join(left_out[:5])}, '
                             '...')
    trained = next((f for f in TRAINED if f.recognise(state_dict)), None)
    if trained is not None:
        raise ValueError(
            f'The file is a whole model with adapters ({trained.name}), no '
            'backbone. Load it whole, by load_from or tools/test.py CONFIG '
            'FILE.')
    return _converted(fmt or recognise(state_dict), state_dict, left_out)


def _converted(fmt: Format, state_dict: StateDict,
               left_out: List[str]) -> Converted:
    tensors, dropped = rename(state_dict, fmt.rules)
    tensors = fmt.finish({n: _floating(t) for n, t in tensors.items()})
    tensors = {n: t.contiguous() for n, t in tensors.items()}
    return Converted(fmt, tensors, left_out + dropped, state_dict)


def _without(state_dict: StateDict, prefix: str) -> StateDict:
    """Names without what DistributedDataParallel puts in front of all."""
    if not all(n.startswith(prefix) for n in state_dict):
        return state_dict
    return {n[len(prefix):]: t for n, t in state_dict.items()}


def _floating(tensor: Tensor) -> Tensor:
    """Half-precision weights as float32, in which they are resized."""
    return tensor.float() if tensor.is_floating_point() else tensor
