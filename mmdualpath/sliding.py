"""Sliding windows over the frames of a video."""
from typing import List, Optional, Tuple

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
