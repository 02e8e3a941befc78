"""MMAction2's own train.py, with mmdualpath imported first.

Takes what MMAction2's ``tools/train.py`` takes, see ``--help``.
"""
import runpy
from pathlib import Path

import mmdualpath  # noqa: F401
import mmaction  # isort: skip

if __name__ == '__main__':
    stock = Path(mmaction.__file__).parent / '.mim' / 'tools' / 'train.py'
    runpy.run_path(str(stock), run_name='__main__')
