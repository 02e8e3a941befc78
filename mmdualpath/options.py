"""Mistakes in options are refused by the names that users wrote."""
import difflib
import functools
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Callable, Dict, Iterable, Union

from mmengine.registry import Registry


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated type, as far as that can be told.

    Whole numbers are numbers; True and False are none. A list may stand for
    a tuple; a text is no sequence of texts. What is neither a class nor such
    a collection fits anything.
    """
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, k) for k in inner)
    if kind in (int, float):
        number = Integral if kind is int else Real
        return isinstance(value, number) and not isinstance(value, bool)
    if kind in (bool, str, dict, list, type(None)):
        return isinstance(value, kind)
    if kind is Mapping or origin in (Mapping, dict):
        return isinstance(value, Mapping)
    if kind is Sequence or origin in (Sequence, list, tuple):
        if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
            return False
        if origin is tuple and inner[-1:] != (..., ):
            return len(value) == len(inner) and all(map(fits, value, inner))
        return not inner or all(fits(v, inner[0]) for v in value)
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


class OptionError(ValueError):
    """An option that there is not, or that has the wrong type.

    Args:
        cls: The class that was given the option.
        option: Its name.
        value: Its value.
        fault: What is wrong with the value; empty if there is no such option.
        options: Names of the options that there are, and whether each has a
            default.
    """

    def __init__(self, cls: type, option: str, value: Any, fault: str,
                 options: Dict[str, bool]) -> None:
        self.cls, self.option, self.value = cls, option, value
        self.fault, self.options = fault, options
        super().__init__(
            f'{cls.__name__}: {option}={value!r} {fault}.' if fault else
            f'{cls.__name__} has no option {option}{nearest(option, options)}'
            f' Its options are {", ".join(options)}.')


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence that says what may have been meant."""
    found = difflib.get_close_matches(name, names, 2)
    return f': did you mean {" or ".join(found)}?' if found else '.'


def options_of(cls: type) -> Dict[str, bool]:
    """Names of a class's options, and whether each has a default.

    What a constructor takes as ``**kwargs`` are options of the next class.
    """
    options: Dict[str, bool] = {}
    for parent in cls.__mro__:
        if '__init__' not in vars(parent):
            continue
        parameters = inspect.signature(parent.__init__).parameters.values()
        for p in list(parameters)[1:]:
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                options.setdefault(p.name, p.default is not p.empty)
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return options


def checked(target: Union[type, Callable]) -> Union[type, Callable]:
    """Let a class, or a constructor, compare its options with annotations.

    An option that a constructor hands on to another class, as one of
    ``**kwargs``, is refused under the name of the class that was given it::

        @MODELS.register_module()
        @checked
        class ParallelAdapter(Adapter):

    Raises:
        OptionError: When called with an option that has the wrong type, or
            that neither the class nor one it hands it on to has.
    """
    if isinstance(target, type):
        init = vars(target).get('__init__')
        if init is not None and not hasattr(init, 'checks_options'):
            target.__init__ = checked(init)
        return target

    parameters = inspect.signature(target).parameters
    named = {
        n: p
        for n, p in parameters.items()
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    positional = [n for n, p in named.items() if p.kind != p.KEYWORD_ONLY]
    kinds = {
        n: k
        for n, k in typing.get_type_hints(target).items() if n in named
    }

    @functools.wraps(target)
    def check(self, *args, **kwargs) -> None:
        given = dict(zip(positional[1:], args), **kwargs)
        for name in given.keys() & kinds:
            value, kind = given[name], kinds[name]
            # a default may be what its annotation leaves out
            if value is not named[name].default and not fits(value, kind):
                kind = kind.__name__ if isinstance(kind, type) else str(kind)
                raise OptionError(
                    type(self), name, value,
                    f'must be {kind.replace("typing.", "")}',
                    options_of(type(self)))
        try:
            target(self, *args, **kwargs)
        except OptionError as error:
            if kwargs.get(error.option, check) is not error.value:
                raise
            theirs = error.options
            if error.cls is not type(self):  # which gives it what it needs
                theirs = {n: True for n, default in theirs.items() if default}
            raise OptionError(
                type(self), error.option, error.value, error.fault, {
                    **options_of(type(self)),
                    **theirs
                }) from None
        except TypeError as error:
            found = re.search(r"unexpected keyword argument '(\w+)'",
                              str(error))
            if not found or found[1] not in kwargs.keys() - named:
                raise
            raise OptionError(
                type(self), found[1], kwargs[found[1]], '',
                options_of(type(self))) from None

    check.checks_options = True
    return check


def unknown(registry: Registry, name: str) -> str:
    """What to say of a type that a registry does not have."""
    names, place = set(), registry
    while place is not None:
        names |= place.module_dict.keys()
        place = place.parent
    return (f'There is no {name} among the "{registry.name}" types of '
            f'{registry.scope}{nearest(name, sorted(names))}')


def build(registry: Registry, cfg: Mapping, **given: Any) -> Any:
    """Build what a config names, with some arguments that are not the user's.

    Args:
        registry: Where the type is looked up.
        cfg: ``type`` and its options.
        given: Further arguments, which are no options.

    Raises:
        ValueError: If there is no such type, or an option of it is wrong.
    """
    name = cfg.get('type')
    if name is None:
        raise ValueError(f'{dict(cfg)} names no type.')
    cls = registry.get(name) if isinstance(name, str) else name
    if cls is None:
        raise ValueError(unknown(registry, name))
    if cfg.keys() & given:
        raise ValueError(f'{name}: {", ".join(sorted(cfg.keys() & given))} is '
                         'not for a config to set.')
    try:
        return registry.build(dict(cfg, **given))
    except OptionError as error:
        raise OptionError(error.cls, error.option, error.value, error.fault, {
            n: default
            for n, default in error.options.items() if n not in given
        }) from None
