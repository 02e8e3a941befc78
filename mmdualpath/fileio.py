"""Files that are whole or as they were, whenever a process is stopped."""
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Union

from mmengine.fileio import LocalBackend, register_backend


@contextmanager
def whole_file(path: Union[str, Path], note: str = '') -> Iterator[Path]:
    """A name to write under; the file gets its own name once it is whole.

    A link stays one: the file that it leads to is replaced. Folders that are
    missing are made.

    Args:
        path: The file.
        note: What an error adds to its name.

    Raises:
        OSError: If it cannot be written. What was there before is as it was.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.{os.getpid()}.part')
    try:
        yield part
        with part.open('rb') as file:
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        raise OSError(
            error.errno, f'{error.strerror}: {path}{note} could not be '
            'written; what was there before is as it was') from error
    finally:
        part.unlink(missing_ok=True)


@register_backend('whole_files')
class WholeFileBackend(LocalBackend):
    """MMEngine's local files, but for :func:`whole_file`.

    MMEngine 0.10.7 writes in place: a process that is killed, or a disk that
    is full, leaves half a file under the name of a checkpoint.
    """

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        """Write bytes."""
        with whole_file(filepath, f' ({len(obj) / 1e6:.1f} MB)') as part:
            part.write_bytes(obj)

    def put_text(self,
                 obj: str,
                 filepath: Union[str, Path],
                 encoding: str = 'utf-8') -> None:
        """Write text."""
        self.put(obj.encode(encoding), filepath)
