"""What a published layout of weights is."""
import re
from dataclasses import dataclass
from typing import (Any, Callable, Dict, List, Mapping, Optional, Sequence,
                    Tuple)

import torch
from torch import Tensor

StateDict = Dict[str, Tensor]
Rule = Tuple[str, Optional[str]]

# What most networks read, of pixels from 0 to 255.
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def _nothing(state_dict: StateDict) -> StateDict:
    return state_dict


def _never(state_dict: StateDict) -> bool:
    return False


def _unknown(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Format:
    """A published layout of weights.

    Attributes:
        name: Short name, for messages and fingerprints.
        recognise: Whether a state dict is of this format.
        rules: Pairs of a regular expression over whole names and the name in
            this package; None leaves the tensor out, such as a classifier. A
            name without rule is kept, so that nothing is lost unseen.
        finish: Reshapes the renamed tensors.
        facts: What names and shapes do not show but must agree with the
            model: ``eps`` of the norms, ``act``, ``num_heads``, ``pooling``
            and what the model calls its ``facts``, as far as the format, the
            file or the config beside it tells, each a value or the set of
            all; ``normalization``, if not None, is told to the model.
        asks_activation: Whether files that look like this one were trained
            with several activations, so that something must tell which.
        fresh: Parameters such a file never has, which keep the value the
            constructor gives them.
        optional: Tensors of the file that a model may do without, as its
            config says: the projection, the class token, a norm whose output
            is not asked for.
        hint: What a model needs to take such a file.
    """
    name: str
    recognise: Callable[[StateDict], bool]
    rules: Sequence[Rule]
    finish: Callable[[StateDict], StateDict] = _nothing
    facts: Callable[[StateDict, Mapping], Dict[str, Any]] = _unknown
    asks_activation: Callable[[StateDict], bool] = _never
    fresh: Sequence[str] = ()
    optional: Sequence[str] = (r'proj', r'cls_token', r'ln\d\..*',
                               r'norm\d?\..*')
    hint: str = ''


def prefixed(rules: Sequence[Rule],
             prefix: str,
             new: Optional[str] = None) -> Tuple[Rule, ...]:
    """Rules for the names of a part of a model.

    Args:
        rules: Rules for the part by itself.
        prefix: What its names begin with in the file.
        new: What they begin with here, by default the same.
    """
    new = prefix if new is None else new
    return tuple((re.escape(prefix) + pattern, name and new + name)
                 for pattern, name in rules)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a whole name matches one of some regular expressions."""
    return any(re.fullmatch(p, name) for p in patterns)


def rename(state_dict: StateDict,
           rules: Sequence[Rule]) -> Tuple[StateDict, List[str]]:
    """Rename tensors, each by the first rule that matches its whole name.

    Args:
        state_dict: Tensors by name.
        rules: See :class:`Format`.

    Returns:
        The renamed tensors, and the names that a rule leaves out.

    Raises:
        ValueError: If two tensors get one name.
    """
    renamed, left_out = {}, []
    for name, tensor in state_dict.items():
        new = name
        for pattern, replacement in rules:
            if re.fullmatch(pattern, name):
                new = replacement and re.sub(pattern, replacement, name)
                break
        if new is None:
            left_out.append(name)
        elif new in renamed:
            raise ValueError(f'{name} and another tensor of the file both '
                             f'become {new}.')
        else:
            renamed[new] = tensor
    return renamed, left_out


def stack_qkv(state_dict: StateDict, parts: Sequence[str],
              whole: str) -> StateDict:
    """Stack separate query, key and value projections.

    Args:
        state_dict: Tensors by name.
        parts: Names of the query, key and value layers inside a block.
        whole: Name of the stacked layer there.
    """
    stacked = dict(state_dict)
    query = f'.{parts[0]}.'
    for name in state_dict:
        if query in name:
            stacked[name.replace(query, f'.{whole}.')] = torch.cat([
                stacked.pop(name.replace(query, f'.{part}.')) for part in parts
            ])
    return stacked
