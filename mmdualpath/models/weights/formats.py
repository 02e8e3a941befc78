"""All published formats, the more particular ones first."""
from typing import List, NamedTuple, Optional

from torch import Tensor

from . import clip, swin, video, vit
from .base import Format, StateDict, rename

FORMATS = (*clip.FORMATS, *video.FORMATS, *swin.FORMATS, *vit.FORMATS)

# Files of OpenMMLab's packages and of this one have the names of the models.
NATIVE = Format(name='openmmlab', recognise=lambda s: True, rules=())


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
    return next((f for f in FORMATS if f.recognise(state_dict)), NATIVE)


def convert(state_dict: StateDict, prefix: Optional[str] = None) -> Converted:
    """Give the tensors of a published checkpoint this package's names.

    Args:
        state_dict: Tensors by name.
        prefix: Prefix of the backbone's names in the file. Defaults to
            ``backbone`` if there are such names; what stands beside a
            backbone, such as a head, is left out.

    Raises:
        ValueError: If no name begins with the given prefix.
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
    fmt = recognise(state_dict)
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
