"""MMAction2's own test.py, with mmdualpath imported first.

Takes what MMAction2's ``tools/test.py`` takes, see ``--help``.
"""
import runpy
from pathlib import Path

import mmdualpath  # noqa: F401
import mmaction  # isort: skip

if __name__ == '__main__':
    stock = Path(mmaction.__file__).parent / '.mim' / 'tools' / 'test.py'
    runpy.run_path(str(stock), run_name='__main__')
