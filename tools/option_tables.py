"""The tables of classes and of their options.

They are written from docstrings and annotations, for tools/tables.py.
"""
import importlib
import inspect
import re
import sys
from typing import Callable, Dict, Iterator, List

import griffe
from benchmarks.tables import as_table
from mmaction.registry import MODELS

from mmdualpath.options import options_of

GIVEN = ('base', 'site', 'dims')  # what the backbone gives an adapter


def plain(text: str) -> str:
    """A text of a docstring as a cell of a table."""
    text = re.sub(r':\w+:`~?([^`]+)`', r'`\1`', text).replace('``', '`')
    return ' '.join(text.split()).replace('|', r'\|')


def arguments(cls: type) -> Dict[str, str]:
    """What a class's docstring says of its arguments.

    What it does not say is said by the classes it is made from.
    """
    found: Dict[str, str] = {}
    for parent in cls.__mro__:
        text = inspect.cleandoc(vars(parent).get('__doc__') or '')
        for section in griffe.Docstring(text).parse('google', warnings=False):
            if section.kind is griffe.DocstringSectionKind.parameters:
                for item in section.value:
                    found.setdefault(item.name, plain(item.description))
    return found


def parameter(cls: type, name: str) -> inspect.Parameter:
    """The parameter that an option is, of the class that takes it."""
    for parent in cls.__mro__:
        if '__init__' in vars(parent):
            found = inspect.signature(parent.__init__).parameters.get(name)
            if found is not None:
                return found
    raise ValueError(f'{cls.__name__} has no option {name!r}.')


def rows(cls: type) -> Iterator[List[str]]:
    """Name, type, default and meaning of each option of a class.

    Raises:
        ValueError: If its docstring does not say what an option is.
    """
    said = arguments(cls)
    for name in options_of(cls):
        if name in GIVEN:
            continue
        if name not in said:
            raise ValueError(f'The docstring of {cls.__name__} does not say '
                             f'what {name!r} is.')
        option = parameter(cls, name)
        kind = inspect.formatannotation(option.annotation)
        default = '' if option.default is option.empty else \
            f'`{option.default!r}`'
        yield [
            f'`{name}`', f'`{plain(kind.replace("typing.", ""))}`', default,
            said[name]
        ]


def handed_on(cls: type) -> List[type]:
    """Classes, none of its parents, that take some of its options."""
    said = ' '.join(arguments(cls).values())
    place = sys.modules[cls.__module__]
    found = [
        getattr(place, name)
        for name in re.findall(r'rguments of `(\w+)`', said)
    ]
    return [other for other in found if other not in cls.__mro__]


def classes(module: str) -> List[type]:
    """The classes of a module that a config can name."""
    place = importlib.import_module(module)
    return [
        getattr(place, name) for name in place.__all__
        if MODELS.module_dict.get(name) is getattr(place, name)
    ]


def options(module: str) -> str:
    """All options of a module's classes, and of those they hand some on to."""
    lines = [['', 'option', 'type', 'default', 'what it is'], ['---'] * 5]
    listed = classes(module)
    for cls in listed:  # which grows
        name = f'**`{cls.__name__}`**'
        for row in rows(cls):
            lines.append([name, *row])
            name = ''
        for other in handed_on(cls):
            lines.append([name, f'those of `{other.__name__}`', '', '', ''])
            listed += [other] * (other not in listed)
    return as_table(lines)


def places(module: str) -> str:
    """What each adapter of a module is, where it stands and what it needs."""
    lines = [['adapter', 'what it is', 'stands at', 'needs'], ['---'] * 4]
    for cls in classes(module):
        first = inspect.getdoc(cls).split('\n\n')[0]
        lines.append([
            f'`{cls.__name__}`',
            plain(first), ', '.join(f'`{s}`' for s in cls.sites) or 'any',
            plain('; '.join(need.what for need in cls.needs)) or '-'
        ])
    return as_table(lines)


TABLES: Dict[str, Callable[[str], str]] = dict(options=options, places=places)
