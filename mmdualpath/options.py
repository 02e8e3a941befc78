"""Options of the wrong type are refused by name, before anything is built."""
import functools
import inspect
import typing
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Callable

from mmaction.registry import DATASETS, HOOKS, MODELS, TRANSFORMS
from mmengine import registry as engine


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type, as far as that can be told.

    Whole numbers are numbers; True and False are none. A list may stand for
    a tuple. What is neither a class nor such a collection fits anything.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        return any(fits(value, k) for k in inner)
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    if kind in (bool, str, dict, list, type(None)):
        return isinstance(value, kind)
    if kind is Mapping or origin in (Mapping, dict):
        return isinstance(value, Mapping)
    if kind is Sequence or origin in (Sequence, list, tuple):
        if not isinstance(value, Sequence):
            return False
        if origin is tuple and inner[-1:] != (..., ):
            return len(value) == len(inner) and all(map(fits, value, inner))
        return not inner or all(fits(v, inner[0]) for v in value)
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def checked(init: Callable) -> Callable:
    """A constructor that compares what it is given with its annotations.

    Raises:
        ValueError: When called with an option that has the wrong type.
    """
    parameters = inspect.signature(init).parameters
    kinds = typing.get_type_hints(init)
    variable = (inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD)
    named = [n for n, p in parameters.items() if p.kind not in variable]
    positional = [
        n for n in named
        if parameters[n].kind != inspect.Parameter.KEYWORD_ONLY
    ]

    @functools.wraps(init)
    def check(self, *args, **kwargs) -> None:
        given = dict(zip(positional[1:], args), **kwargs)
        for name, value in given.items():
            if name not in named or name not in kinds:
                continue
            # a default may be what its annotation leaves out
            if value is parameters[name].default or fits(value, kinds[name]):
                continue
            kind = kinds[name]
            kind = kind.__name__ if isinstance(kind, type) else kind
            raise ValueError(f'{type(self).__name__}: {name}={value!r} must '
                             f'be {str(kind).replace("typing.", "")}.')
        init(self, *args, **kwargs)

    return check


def check_all() -> None:
    """Let the classes that this package registers check their options."""
    registries = (MODELS, TRANSFORMS, DATASETS, HOOKS, engine.HOOKS,
                  engine.DATA_SAMPLERS, engine.OPTIM_WRAPPER_CONSTRUCTORS)
    classes = {
        parent
        for registry in registries
        for cls in registry.module_dict.values() if isinstance(cls, type)
        for parent in cls.__mro__
        if parent.__module__.split('.')[0] == 'mmdualpath'
    }
    for cls in classes:
        if '__init__' in vars(cls):
            cls.__init__ = checked(cls.__init__)
