"""Sources of frames that do not wait: cameras and network streams."""
import logging
import math
import threading
import time
from collections import deque
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Callable, Deque, Iterator, List, Optional, Tuple
from urllib.parse import urlparse

import av
import numpy as np

from ..datasets.bad_videos import reason_of
from ..sliding import WindowStream
from .events import Event, EventFinder

log = logging.getLogger(__name__)

# Frames with their numbers, which are their times in frames.
Batch = List[Tuple[int, np.ndarray]]
# Frames per second, and RGB frames.
Opened = Tuple[float, Iterator[np.ndarray]]


def open_webcam(number: int = 0) -> Opened:
    """Frames per second and RGB frames of a webcam.

    Args:
        number: Number of the webcam.

    Raises:
        ValueError: If there is no such webcam.
    """
    import cv2
    camera = cv2.VideoCapture(number)
    if not camera.isOpened():
        raise ValueError(f'There is no webcam {number}.')

    def frames() -> Iterator[np.ndarray]:
        try:
            while True:
                good, frame = camera.read()
                if not good:
                    return
                yield np.ascontiguousarray(frame[..., ::-1])
        finally:
            camera.release()

    fps = camera.get(cv2.CAP_PROP_FPS)
    return fps if fps > 0 else 30., frames()  # not every driver tells


def open_stream(url: str, timeout: float = 10.) -> Opened:
    """Frames per second and RGB frames of what FFmpeg reads.

    Args:
        url: Such as ``rtsp://host/path``.
        timeout: Seconds without any data after which it has failed.

    Raises:
        ValueError: If it cannot be opened, or has no video.
    """
    try:
        container = av.open(url, timeout=timeout)
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f'{url}: {reason_of(error)}') from error
    if not container.streams.video:
        container.close()
        raise ValueError(f'{url} has no video.')
    rate = container.streams.video[0].average_rate

    def frames() -> Iterator[np.ndarray]:
        with container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format='rgb24')

    return float(rate or 30.), frames()


def is_live(name: str) -> bool:
    """Whether a name is of a source that does not wait: no file, no page."""
    url = urlparse(name)
    if name.partition(':')[0] == 'webcam':
        return True
    playlist = PurePosixPath(url.path).suffix == '.m3u8'
    return '://' in name and (playlist
                              or url.scheme not in ('http', 'https', 'file'))


def opener_of(name: str) -> Callable[[], Opened]:
    """What opens ``webcam``, ``webcam:1`` or a URL.

    Raises:
        ValueError: If a webcam has no number.
    """
    kind, _, number = name.partition(':')
    if kind == 'webcam':
        number = number or '0'
        if not number.isdecimal():
            raise ValueError(f'{name}: webcams are webcam, webcam:1 and so '
                             'on.')
        return lambda: open_webcam(int(number))
    return lambda: open_stream(name)


class LiveSource:
    """Frames of a source as they come, grabbed in a thread of its own.

    A frame's number is its time: ``round(seconds * fps)`` since the first
    one. Frames that wait in vain are dropped, the oldest first, as are those
    that come sooner than the rate; so there is no lag, and a hop of frames is
    always the same time. A source that ends, fails or gives nothing for
    ``stall`` seconds is opened anew.

    Args:
        opener: Opens the source; gives frames per second and RGB frames.
            It is called here for the first time.
        waiting: Frames that may wait.
        stall: Seconds without a frame after which it is opened anew.
        retries: How often in a row it is opened without a frame coming,
            before it is over.
        pause: Seconds between these.
        clock: Gives the time in seconds.

    Attributes:
        fps: Frames per second.
        dropped: Frames that were not used.
        reconnects: How often it was opened anew.

    Raises:
        ValueError: Whatever the opener raises at first.
    """

    def __init__(self,
                 opener: Callable[[], Opened],
                 waiting: int = 32,
                 stall: float = 5.,
                 retries: int = 10,
                 pause: float = 1.,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._opener, self._clock = opener, clock
        self.stall, self.retries, self.pause = stall, retries, pause
        self.dropped = self.reconnects = 0
        self._waiting: Deque[Tuple[int, np.ndarray]] = deque(maxlen=waiting)
        self._news = threading.Condition()
        self._start: Optional[float] = None
        self._number = -1
        self._generation = 0
        self._fault: Optional[str] = None
        self.fps, frames = opener()
        self._grab_in_thread(frames)

    def __iter__(self) -> Iterator[Batch]:
        """All frames that have come since, as numbers and frames.

        Nothing is in a batch when the source has just been lost.
        """
        failures = 0
        try:
            while True:
                with self._news:
                    self._news.wait_for(lambda: self._waiting or self._fault,
                                        self.stall)
                    batch = list(self._waiting)
                    self._waiting.clear()
                    fault = self._fault
                if batch:
                    failures = 0
                    yield batch
                if not batch or fault:
                    yield []
                    if failures == self.retries:
                        return
                    failures += 1
                    self._reconnect(fault or f'no frame for {self.stall} s')
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Let the thread end once it has its next frame, which is not used."""
        with self._news:
            self._generation += 1
            self._fault = None

    def _reconnect(self, fault: str) -> None:
        self._abandon()
        self.reconnects += 1
        log.warning('The source is opened anew: %s.', fault)
        threading.Event().wait(self.pause)
        self._grab_in_thread()

    def _grab_in_thread(self, frames: Optional[Iterator] = None) -> None:
        # Nothing can end a thread that waits for a camera.
        threading.Thread(
            target=self._grab, args=(self._generation, frames),
            daemon=True).start()

    def _grab(self, generation: int, frames: Optional[Iterator]) -> None:
        try:
            if frames is None:
                frames = self._opener()[1]
            with closing(frames):
                for frame in frames:
                    with self._news:
                        if generation != self._generation:
                            return
                        self._put(frame)
            fault = 'it has ended'
        except Exception as error:
            fault = reason_of(error)
        with self._news:
            if generation == self._generation:
                self._fault = fault
                self._news.notify()

    def _put(self, frame: np.ndarray) -> None:
        now = self._clock()
        self._start = now if self._start is None else self._start
        number = round((now - self._start) * self.fps)
        if number <= self._number:
            self.dropped += 1
            return
        self._number = number
        self.dropped += len(self._waiting) == self._waiting.maxlen
        self._waiting.append((number, frame))
        self._news.notify()


@dataclass
class News:
    """What has become known of a stream.

    Attributes:
        window: First frame and the one after the last of a window that is
            complete, if one is.
        scores: What the model says of it, ``(classes,)``.
        smoothed: The smoothed scores, if there are any yet.
        shown: The class of the event that goes on, if one does.
        events: Events that have ended.
    """
    window: Optional[Tuple[int, int]]
    scores: Any
    smoothed: Any
    shown: Optional[int]
    events: List[Event]


class Follower:
    """Predicts a stream as it comes, and finds its events.

    A moment has the prediction of the window whose middle is closest, as in a
    file.

    Args:
        recognizer: Predicts windows. Of hops that complete in one batch the
            last one is predicted.
        finder: Finds events.
        fps: Frames per second.
    """

    def __init__(self, recognizer: WindowStream, finder: EventFinder,
                 fps: float) -> None:
        self.recognizer, self.finder, self.fps = recognizer, finder, fps
        self._until = -math.inf  # seconds that are predicted

    def update(self, batch: Batch) -> News:
        """Frames that have come, or none: the source is lost."""
        for number, frame in batch:
            self.recognizer.add(frame, number)
        if not batch:
            return self._news(None, self.finder.finish())
        return self._predicted(self.recognizer.predict())

    def finish(self) -> News:
        """The stream has ended."""
        news = self._predicted(self.recognizer.finish())
        span = self.recognizer.span
        news.events += self.finder.finish(span and span[1] / self.fps)
        return news

    def _predicted(self, scores: Any) -> News:
        if scores is None:
            return self._news(None, [])
        start, stop = self.recognizer.span
        end = (start + stop + self.recognizer.hop) / 2 / self.fps
        events = []
        if start / self.fps > self._until:  # behind a gap
            events += self.finder.finish()
        begin = max(start / self.fps, self._until)
        events += self.finder.update(begin, end, scores)
        self._until = end
        return self._news(scores, events)

    def _news(self, scores: Any, events: List[Event]) -> News:
        window = None if scores is None else self.recognizer.span
        return News(window, scores, self.finder.scores, self.finder.shown,
                    events)
