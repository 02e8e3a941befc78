"""Reading videos in processes that a broken one may bring down."""
import os
import time
from collections import deque
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Deque, Iterator, List, NamedTuple, Sequence, Tuple

import av
import numpy as np

from .bad_videos import reason_of
from .decoding import open_video

CHUNK = 64  # videos that a process reads before it is replaced


class Look(NamedTuple):
    """What is seen of a video.

    Attributes:
        fault: Why it cannot be read; empty if it can.
        frames: Its frames.
        fps: Frames per second.
        height: Pixels.
        width: Pixels.
        container: What the file is, where its name says something else.
    """
    fault: str = ''
    frames: int = 0
    fps: float = 0.
    height: int = 0
    width: int = 0
    container: str = ''

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / self.fps if self.fps else 0.


def look_at(path: str, frames: int) -> Look:
    """Read frames spread over a video.

    Args:
        path: The file.
        frames: How many to decode; 0 for all.
    """
    try:
        reader = open_video(path)
        count = min(frames, len(reader)) if frames else len(reader)
        chosen = np.linspace(0, len(reader) - 1, count).round().astype(int)
        for part in np.array_split(chosen, -(-count // 32)):
            height, width = reader.get_batch(part).shape[1:3]
        return Look('', len(reader), reader.get_avg_fps(), height, width,
                    other_container(path))
    except Exception as error:
        return Look(reason_of(error))


def other_container(path: str) -> str:
    """What a file is by its content, if its ending says otherwise.

    An ending counts that FFmpeg knows for the container.
    """
    with av.open(path) as file:
        extensions, name = file.format.extensions, file.format.name
    ending = os.path.splitext(path)[1][1:].lower()
    # FFmpeg names some after all that they may be called.
    known = set(extensions) | set(name.split(','))
    return '' if ending in known else name.split(',')[0]


def _read_all(paths: List[str], frames: int, pipe: Connection) -> None:
    """What a process does: one answer a video, in order."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # FFmpeg complains there
    for path in paths:
        pipe.send(look_at(path, frames))


class _Reader:
    """A process that reads some videos, and those it has not answered yet."""

    def __init__(self, paths: List[str], frames: int) -> None:
        context = get_context('fork')
        self.left = deque(paths)
        self.pipe, theirs = context.Pipe(duplex=False)
        self.process = context.Process(
            target=_read_all, args=(paths, frames, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.heard = time.monotonic()

    def answer(self) -> Tuple[str, Look]:
        """The next video and what is seen of it.

        Raises:
            EOFError: If the process has ended.
        """
        look = self.pipe.recv()
        self.heard = time.monotonic()
        return self.left.popleft(), look

    def end(self) -> int:
        """Stop the process; its exit status, negative for a signal."""
        self.process.join(5)
        self.process.kill()
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def check_videos(paths: Sequence[str],
                 processes: int,
                 frames: int = 16,
                 timeout: float = 60.) -> Iterator[Tuple[str, Look]]:
    """Read videos in parallel.

    Args:
        paths: Videos.
        processes: How many to read at a time.
        frames: Frames to decode of each, spread evenly; 0 for all.
        timeout: Seconds after which a video counts as one that hangs.

    Yields:
        Each path and what is seen of it, in no order.
    """
    waiting: Deque[List[str]] = deque(
        list(paths[i:i + CHUNK]) for i in range(0, len(paths), CHUNK))
    readers: List[_Reader] = []
    while waiting or readers:
        while waiting and len(readers) < processes:
            readers.append(_Reader(waiting.popleft(), frames))
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
                yield reader.left.popleft(), Look(
                    f'hangs for more than {timeout:g} s'
                    if slow else f'crashes the decoder (exit status {status})')
            if reader.left:
                waiting.appendleft(list(reader.left))
