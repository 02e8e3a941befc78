"""Write checkpoints that load with ``weights_only=True`` or as safetensors."""
import json
from pathlib import Path
from typing import Any, Dict, Mapping

import numpy as np
import torch
from torch import Tensor

SUFFIXES = ('.pth', '.safetensors')
NOTES = 'mmdualpath'


def write_checkpoint(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint of plain values and tensors.

    A safetensors file keeps ``meta`` as JSON, the tensors of ``state_dict``
    under their names, those of another entry as ``entry::name``, and says
    which names share one tensor.

    Args:
        checkpoint: ``meta`` and dicts of tensors, such as ``state_dict``.
        path: File to write, ``.pth`` or ``.safetensors``.

    Raises:
        ValueError: If the suffix is another one, or a value not plain.
    """
    path = Path(path)
    content = {part: plain(value, part) for part, value in checkpoint.items()}
    if path.suffix == '.pth':
        torch.save(content, path)
    elif path.suffix == '.safetensors':
        _write_safetensors(content, path)
    else:
        raise ValueError(f'{path.name}: a checkpoint ends in '
                         f'{" or ".join(SUFFIXES)}.')


def plain(value: Any, name: str) -> Any:
    """A value made of tensors and built-in types alone.

    Raises:
        ValueError: If there is something else in it.
    """
    if isinstance(value, Mapping):
        return {k: plain(v, f'{name}.{k}') for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(v, name) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise ValueError(f'{name} is a {type(value).__name__}, which a published '
                     'checkpoint cannot hold.')


def _write_safetensors(content: Dict[str, Any], path: Path) -> None:
    from safetensors.torch import save_file
    tensors, shared, first = {}, {}, {}
    for part, entries in content.items():
        if part == 'meta':
            continue
        for name, tensor in entries.items():
            name = name if part == 'state_dict' else f'{part}::{name}'
            place = (tensor.data_ptr(), tensor.shape, tensor.stride())
            if tensor.numel() and place in first:
                shared[name] = first[place]
            else:
                first[place] = name
                tensors[name] = tensor.clone().contiguous()
    # safetensors writes several notes in any order: one gives one hash.
    notes = json.dumps(dict(meta=content.get('meta', {}), shared=shared))
    save_file(tensors, path, metadata={NOTES: notes})
