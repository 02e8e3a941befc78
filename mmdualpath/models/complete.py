"""A checkpoint fills what it is loaded into, or is refused."""
import re
from typing import Any, Dict, List, Mapping

from torch import Tensor, nn

RENAMED = ('It was written with with_cp=True before version 0.1.0: python '
           'tools/convert_weights.py SRC DST --recomputed gives its tensors '
           'their present names.')


def misfits(own: Mapping[str, Tensor],
            given: Mapping[str, Tensor]) -> Dict[str, List[str]]:
    """How tensors differ from those of a module.

    Returns:
        Names that are ``missing``, ``superfluous`` and ``of another shape``,
        the last with both shapes.
    """
    return {
        'missing': [n for n in own if n not in given],
        'superfluous': [n for n in given if n not in own],
        'of another shape': [
            f'{n} ({tuple(given[n].shape)} in the checkpoint, '
            f'{tuple(own[n].shape)} in the model)' for n in own
            if n in given and given[n].shape != own[n].shape
        ]
    }


def without_recompute_level(name: str) -> str:
    """A tensor's name in a checkpoint of ``with_cp=True`` before 0.1.0.

    Blocks that were recomputed in the backward pass had a level of their own,
    ``layers.3.base.attn…``, which nothing is called by any more.
    """
    return re.sub(r'\b((?:layers|blocks)\.\d+)\.base\.', r'\1.', name, count=1)


def listed(names: List[str], most: int = 8) -> str:
    """Names with commas between them, and how many more there are."""
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return ', '.join(names[:most]) + more


def refuse_misfit(module: nn.Module, own: Mapping[str, Tensor],
                  state_dict: Mapping[str, Tensor], prefix: str) -> None:
    """Raise an error for a checkpoint that does not fill a module.

    Args:
        module: The module.
        own: Its tensors by name.
        state_dict: The checkpoint.
        prefix: What the module's names begin with there.

    Raises:
        ValueError: If a tensor is missing, superfluous or of another shape.
    """
    given = {
        n[len(prefix):]: t
        for n, t in state_dict.items() if n.startswith(prefix)
    }
    found = misfits(own, given)
    if any(found.values()):
        where = prefix.rstrip('.') or 'the model'
        raise ValueError(' '.join([
            f'The checkpoint does not fill {where} '
            f'({type(module).__name__}).',
            *(f'{what.capitalize()}: '
              f'{listed(names)}.' for what, names in found.items() if names),
            *([RENAMED] if {without_recompute_level(n)
                            for n in given} == set(own) else [])
        ]))


def require_complete(module: nn.Module) -> None:
    """Let a module refuse checkpoints that do not fill it, from now on.

    Args:
        module: A module whose ``state_dict`` is plain.
    """

    def check(module: nn.Module, state_dict: dict, prefix: str, *args:
              Any) -> None:
        refuse_misfit(module, module.state_dict(), state_dict, prefix)

    module.register_load_state_dict_pre_hook(check)
