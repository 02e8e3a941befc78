"""Sliding windows over the frames of a video or a stream."""
from abc import ABC, abstractmethod
from bisect import bisect_right
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from .datasets.reader import Frames

Windows = List[Tuple[int, int]]


def sliding_windows(frames: int,
                    fps: float,
                    window: Optional[float] = None,
                    stride: Optional[float] = None,
                    to_the_end: bool = True) -> Windows:
    """Windows that cover a video.

    Args:
        frames: Frames of the video.
        fps: Frames per second; with 1, window and stride are in frames.
        window: Seconds of a window; None is the whole video, as is one that
            is longer.
        stride: Seconds from one window to the next; defaults to half a
            window.
        to_the_end: Whether the last window ends with the video, less than a
            stride behind the one before. Otherwise all stand at multiples of
            the stride, and frames at the end may be in none.

    Returns:
        First frame and the one after the last of each window.

    Raises:
        ValueError: If window or stride is not positive.
    """
    if window is None:
        return [(0, frames)]
    length = in_frames(window, fps)
    step = in_frames(window / 2 if stride is None else stride, fps)
    if length >= frames:
        return [(0, frames)]
    starts = list(range(0, frames - length + 1, step))
    if to_the_end and starts[-1] + length < frames:
        starts.append(frames - length)
    return [(start, start + length) for start in starts]


def in_frames(seconds: float, fps: float) -> int:
    """Frames of a time, at least one.

    Raises:
        ValueError: If it is not positive.
    """
    if seconds <= 0:
        raise ValueError(f'{seconds} seconds: windows and strides must be '
                         'positive.')
    return max(1, round(seconds * fps))


class WindowStream(ABC):
    """Predicts the last frames of a stream, every few frames.

    Windows lie as those of a file do: the first one begins with the stream,
    each next one ``hop`` frames later. What the frames of a window are read
    from is the stream itself, by :meth:`get_batch`.

    Args:
        hop: Frames from one prediction to the next.
        window: Frames of a window.

    Attributes:
        span: First frame and the one after the last of the latest prediction.

    Raises:
        ValueError: If one is not positive.
    """

    def __init__(self, hop: int, window: int) -> None:
        for name, value in (('hop', hop), ('window', window)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'{name}={value!r}: give a positive number '
                                 'of frames.')
        self.hop, self.window = hop, window
        self.reset()

    @abstractmethod
    def scores_of(self, start: int, stop: int) -> Any:
        """Scores ``(classes,)`` of a window, on the CPU.

        Args:
            start: Number of its first frame.
            stop: The one after its last.
        """

    def reset(self) -> None:
        """Forget the stream; the next frame begins another one."""
        self._frames: Dict[int, Any] = {}
        self._first: Optional[int] = None
        self._last = -1
        self._shape: Optional[Tuple[int, ...]] = None
        self.span: Optional[Tuple[int, int]] = None

    def push(self, frame: np.ndarray, number: Optional[int] = None) -> Any:
        """The next frame, and what the model says once a hop is complete.

        Args:
            frame: RGB ``(H, W, 3)`` uint8.
            number: Of the frame; by default one more than the last one's.

        Returns:
            Scores ``(classes,)``, or None.

        Raises:
            ValueError: See :meth:`add`.
        """
        self.add(frame, number)
        return self.predict()

    def add(self, frame: np.ndarray, number: Optional[int] = None) -> None:
        """The next frame.

        For a number that was left out the frame before stands. After a gap as
        long as a window, and where the size of frames changes, the stream
        begins anew.

        Args:
            frame: RGB ``(H, W, 3)`` uint8.
            number: Of the frame; by default one more than the last one's.

        Raises:
            ValueError: If it is no such frame, or not behind the last one.
        """
        if not (isinstance(frame, np.ndarray) and frame.dtype == np.uint8
                and frame.ndim == 3 and frame.shape[-1] == 3):
            raise ValueError(
                'A frame must be a uint8 array (H, W, 3), given '
                f'{getattr(frame, "dtype", type(frame).__name__)} '
                f'{tuple(getattr(frame, "shape", ()))}.')
        if number is None:
            number = self._last + 1
        if self._first is not None:
            if number <= self._last:
                raise ValueError(f'Frame {number} is not behind frame '
                                 f'{self._last}.')
            if frame.shape != self._shape \
                    or number - self._last >= self.window:
                self.reset()
        if self._first is None:
            self._first, self._shape = number, frame.shape
        self._last = number
        self._frames[number] = self.kept(frame)
        self._forget()

    def predict(self) -> Any:
        """Scores of the latest window that is complete and not predicted yet.

        Returns:
            Scores ``(classes,)``, or None.
        """
        hops = self._hops()
        if hops < 0:
            return None
        start = self._first + hops * self.hop
        return self._predict(start, start + self.window)

    def finish(self) -> Any:
        """Scores of the window that ends with the stream, unless known.

        Of a stream shorter than a window it is the whole.

        Returns:
            Scores ``(classes,)``, or None.
        """
        if self._first is None:
            return None
        stop = self._last + 1
        return self._predict(max(self._first, stop - self.window), stop)

    @property
    def held(self) -> int:
        """What is kept just now: frames, here."""
        return len(self._frames)

    def kept(self, frame: np.ndarray) -> Any:
        """What is kept of a frame; here the whole."""
        return np.array(frame)

    def shown(self, number: int) -> int:
        """The frame that stands for a number: the last one up to it."""
        numbers = list(self._frames)
        return numbers[max(bisect_right(numbers, number) - 1, 0)]

    def get_batch(self, numbers: Sequence[int]) -> Frames:
        """Whole frames ``(n, H, W, 3)``, as of an open video."""
        return np.stack([self._frames[self.shown(n)]
                         for n in numbers]).view(Frames)

    def _hops(self) -> int:
        """Number of the latest window that is complete, or negative."""
        if self._first is None:
            return -1
        return (self._last + 1 - self._first - self.window) // self.hop

    def _forget(self) -> None:
        """Drop what lies before the oldest window that may be asked for."""
        oldest = self._first + max(self._hops(), 0) * self.hop
        # The last frame up to there may stand for the first of the window.
        oldest = self.shown(oldest)
        for number in [n for n in self._frames if n < oldest]:
            del self._frames[number]

    def _predict(self, start: int, stop: int) -> Any:
        if self.span is not None and stop <= self.span[1]:
            return None
        self.span = start, stop
        return self.scores_of(start, stop)
