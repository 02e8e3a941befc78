"""Files of OpenMMLab's packages and of this one, in the models' own names.

What a run of MMEngine keeps beside the tensors is the text of its config.
"""
import ast
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from .base import Format, StateDict


def trained_pixels(config: str) -> Optional[Dict[str, Any]]:
    """``mean`` and ``std`` of the data preprocessor of a config.

    Args:
        config: Text of a config, which is read and not run.

    Returns:
        None if it tells none, or several.
    """
    try:
        nodes = list(ast.walk(ast.parse(config)))
    except (SyntaxError, ValueError):
        return None
    found = []
    for name, value in (entry for node in nodes for entry in _entries(node)):
        if name == 'data_preprocessor':
            parts = dict(_entries(value))
            try:
                told = {n: ast.literal_eval(parts[n]) for n in ('mean', 'std')}
            except (KeyError, ValueError):
                continue
            if all(told.values()) and told not in found:
                found.append(told)
    return found[0] if len(found) == 1 else None


def _entries(node: ast.AST) -> Iterator[Tuple[Any, ast.AST]]:
    """Names and values that a node of a config gives."""
    if isinstance(node, ast.Assign):
        yield from ((getattr(t, 'id', None), node.value) for t in node.targets)
    elif isinstance(node, ast.Call):
        yield from ((k.arg, k.value) for k in node.keywords)
    elif isinstance(node, ast.Dict):
        yield from ((getattr(k, 'value', None), v)
                    for k, v in zip(node.keys, node.values))


def _facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    return dict(normalization=trained_pixels(config.get('cfg', '')))


FORMAT = Format(
    name='openmmlab', recognise=lambda s: True, rules=(), facts=_facts)
