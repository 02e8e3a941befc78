"""MMAction2's own test.py, with mmdualpath imported first.

Takes what MMAction2's ``tools/test.py`` takes, see ``--help``. A mistake ends
it with one message; with ``--trace`` the trace follows.
"""
from mmdualpath.apis.programs import run_stock

if __name__ == '__main__':
    run_stock('test.py')
