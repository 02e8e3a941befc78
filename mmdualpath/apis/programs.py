"""What the programs of ``tools/`` have in common."""
import logging
import os
import re
import runpy
import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Iterator, Optional, Tuple

from mmengine import registry
from mmengine.config import Config
from mmengine.config.utils import ConfigParsingError
from mmengine.logging import MMLogger
from mmengine.registry import Registry

from ..compat import enable_cpu
from ..options import nearest, unknown
from . import mistakes
from .mistakes import one_message

CONFIGS = Path(__file__).parents[1] / '.mim' / 'configs'


@contextmanager
def program() -> Iterator[None]:
    """Around the work of a program, which a mistake ends with one message.

    As :func:`one_message`; a run that has a log file notes the trace there in
    any case.

    In configs, bases such as ``mmdualpath::dualpath_vitb_ssv2`` lead to what
    is installed with the package, and ``custom_imports`` finds files in the
    folder from which the program is started.
    """
    sys.path.append(os.getcwd())
    Config._get_cfg_path = staticmethod(_find_base)
    try:
        with one_message(mistake, _note_trace):
            yield
    finally:
        Config._get_cfg_path = staticmethod(_find_any_base)


def mistake(error: Exception) -> Optional[str]:
    """As of any program, and of configs and the registries."""
    if isinstance(error, ConfigParsingError):
        return str(error)
    found = isinstance(error, KeyError) and re.match(
        r'(\S+) is not in the (\w+)::([\w ]+) registry', str(*error.args[:1]))
    roots = [r for r in vars(registry).values() if type(r) is Registry]
    for root in roots if found else ():
        for place in (root, *root.children.values()):
            if (place.scope, place.name) == found.groups()[1:]:
                return unknown(place, found[1])
    return mistakes.mistake(error)


def _note_trace() -> str:
    """Put the trace into the log file of a run; where to look for it."""
    for handler in MMLogger.get_current_instance().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(
                logging.makeLogRecord(
                    dict(
                        levelno=logging.ERROR,
                        levelname='ERROR',
                        msg='the run ends with an error',
                        exc_info=sys.exc_info())))
            return f'The trace is in {handler.baseFilename}.'
    return '--trace shows where.'


_find_any_base = Config._get_cfg_path


def _find_base(name: str, filename: str) -> Tuple[str, Optional[str]]:
    """As MMEngine's, whose list of packages is closed."""
    package, _, own = name.rpartition('::')
    if package != 'mmdualpath':
        return _find_any_base(name, filename)
    own = own.removesuffix('.py')
    if not (CONFIGS / f'{own}.py').is_file():
        there = [
            str(p.relative_to(CONFIGS).with_suffix(''))
            for p in CONFIGS.rglob('*.py')
        ]
        raise ValueError(f'{name} in {filename} is no config of mmdualpath'
                         f'{nearest(own, there)}')
    return str(CONFIGS / f'{own}.py'), None


def run_stock(name: str) -> None:
    """Run a program of MMAction2, such as ``train.py``.

    Args:
        name: Its name in MMAction2's ``tools``.
    """
    stock = Path(find_spec('mmaction').origin).parent / '.mim' / 'tools' / name
    with program():
        enable_cpu()
        runpy.run_path(str(stock), run_name='__main__')
