"""A mistake of a user ends a program with one message."""
import os
import re
import sys
import time
from contextlib import contextmanager
from typing import Callable, Iterator, Optional


def mistake(error: Exception) -> Optional[str]:
    """What to say of an error that a user can mend; None of another one."""
    text = str(error)
    # Of an error in a worker process, what it says at its end.
    found = re.search(r'Original Traceback.*^\w[\w.]*: (.*)', text,
                      re.DOTALL | re.MULTILINE)
    text = found[1].strip() if found else text
    if isinstance(error, KeyError):
        text = str(error.args[0]) if error.args else ''
        return text if ' ' in text else None  # a sentence, or just a key
    if isinstance(error, TypeError) and 'unexpected keyword' not in text:
        return None
    kinds = (ValueError, OSError, TypeError, ImportError, AssertionError,
             SyntaxError)
    return text if text and isinstance(error, kinds) else None


@contextmanager
def one_message(
    say: Callable[[Exception], Optional[str]] = mistake,
    note_trace: Callable[[], str] = lambda: '--trace shows where.'
) -> Iterator[None]:
    """Around the work of a program, which a mistake ends with one message.

    ``--trace`` on the command line shows the trace instead. Of the processes
    of a machine the first one speaks.

    Args:
        say: As :func:`mistake`.
        note_trace: Tells where the trace is.
    """
    trace = '--trace' in sys.argv
    sys.argv[:] = [a for a in sys.argv if a != '--trace']
    try:
        yield
    except Exception as error:
        message = None if trace else say(error)
        if message is None:
            raise
        if int(os.environ.get('LOCAL_RANK', 0)):
            time.sleep(30)  # the first one ends, and a launcher ends the rest
        raise SystemExit(f'{message}\n({note_trace()})') from None
