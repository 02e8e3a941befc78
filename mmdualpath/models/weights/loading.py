"""Read a published checkpoint into a backbone, completely or not at all."""
from pathlib import PurePosixPath
from typing import Dict, List, Optional, Tuple

from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from .formats import FORMATS, StateDict
from .inflate import inflate

NATIVE = 'mmpretrain'
# Containers that published files keep their tensors in.
CONTAINERS = ('state_dict', 'model', 'module')


def read_checkpoint(checkpoint: str) -> StateDict:
    """Tensors of a checkpoint file or URL, by name.

    Args:
        checkpoint: Path or URL, as MMEngine's ``CheckpointLoader`` takes it.
    """
    content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    for container in CONTAINERS:
        if isinstance(content.get(container), dict):
            content = content[container]
    return {k: v for k, v in content.items() if isinstance(v, Tensor)}


def load_pretrained(backbone: nn.Module,
                    checkpoint: str,
                    prefix: Optional[str] = None) -> Tuple[str, str]:
    """Load a published checkpoint, whatever its format, into a backbone.

    Args:
        backbone: A bare backbone.
        checkpoint: Path or URL of the file.
        prefix: Prefix of the backbone's keys in a file of this package's own
            key names. Defaults to ``backbone`` if the file has such keys.

    Returns:
        Name of the format and of the file.

    Raises:
        ValueError: If a tensor of the backbone is missing, a tensor of the
            file is left over or a shape differs. Nothing is loaded then.
    """
    state_dict = read_checkpoint(checkpoint)
    name, tensors = _convert(state_dict, prefix)
    own = backbone.state_dict()
    tensors = inflate(tensors, own)
    missing = [k for k in own if k not in tensors]
    unexpected = [k for k in tensors if k not in own]
    unexpected = [k for k in unexpected if not _may_be_left(k, own)]
    misshapen = [
        f'{k} ({tuple(tensors[k].shape)} in the file, '
        f'{tuple(own[k].shape)} in the model)' for k in own
        if k in tensors and tensors[k].shape != own[k].shape
    ]
    problems = [
        f'{what}: {", ".join(keys[:8])}{", ..." if len(keys) > 8 else ""}'
        for what, keys in (('missing', missing), ('unexpected', unexpected),
                           ('of another shape', misshapen)) if keys
    ]
    if problems:
        raise ValueError(f'{checkpoint}, recognised as {name}, does not fit '
                         f'{type(backbone).__name__}. ' + '; '.join(problems))
    backbone.load_state_dict({
        k: v
        for k, v in tensors.items() if k in own
    },
                             strict=True)
    print_log(
        f'Loaded all {len(own)} tensors of {type(backbone).__name__} from '
        f'{checkpoint} ({name}).',
        logger='current')
    return name, PurePosixPath(checkpoint).name


def _convert(state_dict: StateDict,
             prefix: Optional[str]) -> Tuple[str, StateDict]:
    for fmt in FORMATS:
        if fmt.recognise(state_dict):
            return fmt.name, fmt.convert(state_dict)
    if prefix is None and any(k.startswith('backbone.') for k in state_dict):
        prefix = 'backbone'
    if prefix:
        dot = prefix.rstrip('.') + '.'
        state_dict = {
            k[len(dot):]: v
            for k, v in state_dict.items() if k.startswith(dot)
        }
    return NATIVE, state_dict


def _may_be_left(key: str, own: Dict[str, Tensor]) -> bool:
    """The visual projection may stay unused where the model has none."""
    return key == 'proj' and 'proj' not in own


__all__: List[str] = ['load_pretrained', 'read_checkpoint']
