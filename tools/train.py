"""MMAction2's own train.py, with mmdualpath imported first.

Takes what MMAction2's ``tools/train.py`` takes, see ``--help``.
"""
import runpy
from importlib.util import find_spec
from pathlib import Path

import mmdualpath  # noqa: F401

if __name__ == '__main__':
    stock = Path(find_spec('mmaction').origin).parent / '.mim/tools/train.py'
    runpy.run_path(str(stock), run_name='__main__')
