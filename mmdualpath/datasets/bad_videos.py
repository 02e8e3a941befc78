"""A file that lists the videos that cannot be read, and why.

Training, testing and ``tools/data/check_videos.py`` write the same form: a
line for each video, its path and the reason, separated by a tab.
"""
import csv
import fcntl
import re
from pathlib import Path
from typing import Dict, Tuple, Union


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong."""
    lines = str(error).strip().splitlines() or ['']
    # decord begins with the time and the place in its source
    text = re.sub(r'^\[[\d:]+\] \S+:\d+: ', '', ' '.join(lines[0].split()))
    text = text[:200]
    return f'{type(error).__name__}: {text}'


class BadVideoReport:
    """Videos that cannot be read, each listed once.

    Several processes may add to one file: they take turns.

    Args:
        path: File to write. It appears with the first video.
    """

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)

    def read(self) -> Dict[str, str]:
        """Reasons by path of the video; empty without a file."""
        if not self.path.is_file():
            return {}
        with self.path.open(encoding='utf-8', newline='') as file:
            return self._parse(file)

    def add(self, video: str, reason: str) -> Tuple[bool, int]:
        """List a video, unless it is there already.

        Returns:
            Whether it is new, and how many are listed now.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open('a+', encoding='utf-8', newline='') as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # released with the file
            file.seek(0)
            known = self._parse(file)
            new = video not in known
            if new:
                csv.writer(
                    file, delimiter='\t', lineterminator='\n').writerow(
                        (video, reason))
            return new, len(known) + new

    @staticmethod
    def _parse(file) -> Dict[str, str]:
        rows = csv.reader(file, delimiter='\t')
        return {row[0]: row[1] for row in rows if len(row) == 2}
