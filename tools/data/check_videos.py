"""Find the videos that cannot be read, before a training does.

    python tools/data/check_videos.py data/kinetics400/videos_train
    python tools/data/check_videos.py data/hmdb51/train.txt \
        --root data/hmdb51/videos --write-good data/hmdb51/train_good.txt

Takes a folder, or an annotation file of "path label" lines. Decodes frames
spread over each video in several processes. A video that crashes the decoder,
or on which it hangs, is listed like any other. The exit status is 1 if a video
cannot be read.
"""
import argparse
import os
import sys
import time
from collections import deque
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

import numpy as np
from rich.progress import track

from mmdualpath.datasets.bad_videos import BadVideoReport, reason_of
from mmdualpath.datasets.decoding import open_video

SUFFIXES = ('.mp4', '.avi', '.mkv', '.webm', '.mov', '.m4v', '.mpg', '.mpeg',
            '.flv', '.wmv', '.3gp')
CHUNK = 64  # videos that a process reads before it is replaced


def fault(path: str, frames: int) -> Optional[str]:
    """Why a video cannot be read; None if it can."""
    try:
        reader = open_video(path)
        count = min(frames, len(reader)) if frames else len(reader)
        chosen = np.linspace(0, len(reader) - 1, count).round().astype(int)
        for part in np.array_split(chosen, -(-count // 32)):
            reader.get_batch(part)
    except Exception as error:
        return reason_of(error)
    return None


def read_all(paths: List[str], frames: int, pipe: Connection) -> None:
    """What a process does: one answer a video, in order."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # FFmpeg complains there
    for path in paths:
        pipe.send(fault(path, frames))


class Reader:
    """A process that reads some videos, and those it has not answered yet."""

    def __init__(self, paths: List[str], frames: int) -> None:
        context = get_context('fork')
        self.left = deque(paths)
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=read_all, args=(paths, frames, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.heard = time.monotonic()

    def answer(self) -> Tuple[str, Optional[str]]:
        """The next video and its fault.

        Raises:
            EOFError: If the process has ended.
        """
        reason = self.pipe.recv()
        self.heard = time.monotonic()
        return self.left.popleft(), reason

    def end(self) -> int:
        """Stop the process; its exit status, negative for a signal."""
        self.process.join(5)
        self.process.kill()
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def check(paths: List[str],
          processes: int,
          frames: int = 16,
          timeout: float = 60.) -> Iterator[Tuple[str, Optional[str]]]:
    """Read videos in parallel.

    Args:
        paths: Videos.
        processes: How many to read at a time.
        frames: Frames to decode of each, spread evenly; 0 for all.
        timeout: Seconds after which a video counts as one that hangs.

    Yields:
        Each path and its fault, or None.
    """
    waiting = deque(
        list(paths[i:i + CHUNK]) for i in range(0, len(paths), CHUNK))
    readers: List[Reader] = []
    while waiting or readers:
        while waiting and len(readers) < processes:
            readers.append(Reader(waiting.popleft(), frames))
        ready = wait([reader.pipe for reader in readers], timeout=0.2)
        for reader in list(readers):
            try:
                if reader.pipe in ready:
                    yield reader.answer()
                elif time.monotonic() - reader.heard > timeout:
                    reader.process.kill()
                continue
            except EOFError:
                readers.remove(reader)
            slow = time.monotonic() - reader.heard > timeout
            status = reader.end()
            if reader.left:  # it died over the first of these
                yield reader.left.popleft(), (
                    f'hangs for more than {timeout:g} s'
                    if slow else f'crashes the decoder (exit status {status})')
            if reader.left:
                waiting.appendleft(list(reader.left))


def listed(source: Path, root: Optional[Path]) -> List[Tuple[str, str]]:
    """Paths of the videos, each with its line if there is a list."""
    if source.is_dir():
        return [(str(p), '') for p in sorted(source.rglob('*'))
                if p.suffix.lower() in SUFFIXES]
    lines = source.read_text(encoding='utf-8-sig').splitlines()
    return [(os.path.join(root or '',
                          line.strip().rsplit(' ', 1)[0]), line)
            for line in lines if line.strip()]


def main() -> None:
    """Check a folder or a list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='folder or list of videos')
    parser.add_argument(
        '--root', type=Path, help='folder that the paths of a list begin in')
    parser.add_argument(
        '--out', type=Path, default=Path('bad_videos.tsv'), help='report')
    parser.add_argument(
        '--write-good', type=Path, help='list without the unreadable videos')
    parser.add_argument('--processes', type=int, default=os.cpu_count())
    parser.add_argument(
        '--frames', type=int, default=16, help='of each video; 0 for all')
    parser.add_argument(
        '--timeout', type=float, default=60., help='seconds for a video')
    args = parser.parse_args()
    if not args.source.exists():
        parser.error(f'{args.source} is neither a folder nor a list.')
    if args.write_good and args.source.is_dir():
        parser.error('--write-good needs a list.')

    videos = listed(args.source, args.root)
    paths = list(dict.fromkeys(path for path, _ in videos))
    report = BadVideoReport(args.out)
    bad = set()
    answers = check(paths, args.processes, args.frames, args.timeout)
    for path, reason in track(answers, 'Reading', len(paths)):
        if reason:
            bad.add(path)
            report.add(path, reason)
    if args.write_good:
        args.write_good.write_text(
            ''.join(f'{line}\n' for path, line in videos if path not in bad),
            encoding='utf-8')
    print(f'{len(bad)} of {len(paths)} videos cannot be read' +
          (f': see {args.out}.' if bad else '.'))
    sys.exit(bool(bad))


if __name__ == '__main__':
    main()
