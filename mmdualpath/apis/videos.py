"""Predictions of videos and streams, whatever computes the scores.

Nothing here needs torch or a package of OpenMMLab.
"""
import os
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import (Any, Callable, Dict, Iterable, Iterator, List, NamedTuple,
                    Optional, Sequence, Tuple, Union)
from urllib.parse import unquote, urlparse
from urllib.request import Request, urlopen

import numpy as np

from ..datasets.bad_videos import reason_of
from ..datasets.decoding import open_video
from ..datasets.video_files import result_names, videos_in
from ..sliding import Windows, WindowStream, in_frames


class Opened(NamedTuple):
    """A video that could be opened.

    Attributes:
        file: Its file, where it was downloaded to if it is a URL.
        fps: Frames per second.
        frames: Number of frames.
        windows: First frame and the one after the last of each.
    """
    file: str
    fps: float
    frames: int
    windows: Windows


@dataclass
class VideoResult:
    """What was made of a video.

    Attributes:
        number: Which of the videos it is.
        video: Path or URL.
        opened: None if it could not be.
        outputs: What the model gave for each window, None before it did.
        left: How many it has not given.
        error: Why there is no result; empty if there is one.
    """
    number: int
    video: str
    opened: Optional[Opened] = None
    outputs: List[Any] = field(default_factory=list)
    left: int = -1
    error: str = ''

    @property
    def finished(self) -> bool:
        """Whether nothing more comes."""
        return bool(self.error) or self.left == 0


class Predictor(ABC):
    """What names the classes of videos and of streams.

    Attributes:
        labels: Names of the classes, or None.
    """
    labels: Optional[Sequence[str]] = None

    @abstractmethod
    def scores(self,
               reader: Any,
               segments: Iterable[Tuple[int, int]],
               fps: float = 30.,
               batch_size: int = 4) -> Iterator[Any]:
        """Scores of segments of a video.

        Args:
            reader (Any): An open video, see
                :func:`~mmdualpath.datasets.decoding.open_video`, or another
                source of frames such as a
                :class:`~mmdualpath.apis.inference.FrameBuffer`.
            segments: First frame and the one after the last of each.
            fps: Frames per second.
            batch_size: Segments that go through the model at once.

        Yields:
            ``(classes,)`` of each segment, summing to one.

        Raises:
            ValueError: If the model cannot predict, since it is not trained.
        """

    @abstractmethod
    def predict_all(self,
                    videos: Sequence[str],
                    window: Optional[float] = None,
                    stride: Optional[float] = None,
                    batch_size: int = 4,
                    num_workers: int = 0) -> Iterator[VideoResult]:
        """Scores of many videos.

        Args:
            videos: Paths or URLs. What fails on a single one is raised.
            window: As of :meth:`predict`.
            stride: As of :meth:`predict`.
            batch_size: Windows that go through the model at once.
            num_workers: Processes that decode ahead, if there may be any.

        Yields:
            Each video once it is finished, not always in order, with the
            scores ``(classes,)`` of each window. A download is there until
            the last one.

        Raises:
            ValueError: As :meth:`scores`.
        """

    @abstractmethod
    def stream_of(self, hop: int, window: int, fps: float) -> WindowStream:
        """What :meth:`streaming` gives, by numbers of frames.

        Args:
            hop: From one prediction to the next.
            window: Of a window.
            fps: Frames per second.

        Raises:
            ValueError: As :meth:`scores`.
        """

    def streaming(self, fps: float, window: float,
                  stride: float) -> WindowStream:
        """What predicts the windows of a stream that a file of it has.

        Args:
            fps: Frames per second.
            window: Seconds of a window.
            stride: Seconds from one window to the next.

        Raises:
            ValueError: As :meth:`scores`, or if window or stride is not
                positive.
        """
        return self.stream_of(
            in_frames(stride, fps), in_frames(window, fps), fps)

    def name(self, index: int) -> str:
        """Name of a class."""
        return self.labels[index] if self.labels else f'class {index}'

    def ranked(self, scores: Any, topk: int = 5) -> List[dict]:
        """The best classes as ``label``, ``index`` and ``score``."""
        scores = np.asarray(scores)
        best = np.argsort(-scores, kind='stable')[:topk].tolist()
        return [
            dict(
                label=self.name(i), index=i, score=round(float(scores[i]), 6))
            for i in best
        ]

    def predict(self,
                video: Union[str, Path],
                topk: int = 5,
                window: Optional[float] = None,
                stride: Optional[float] = None,
                batch_size: int = 4) -> dict:
        """Predict a video, as a whole or by a sliding window.

        Args:
            video: A file.
            topk: Number of classes that are named.
            window: Seconds of a window; None takes the video as a whole.
            stride: Seconds from one window to the next; defaults to half a
                window.
            batch_size: Windows that go through the model at once.

        Returns:
            ``video``, ``fps``, ``frames``, ``predictions`` of the whole (the
            mean of the windows) and ``windows``, a list of ``start`` and
            ``end`` in seconds with ``predictions``.

        Raises:
            ValueError: If the file has no video, or window or stride is not
                positive.
        """
        result, = self.predict_all([str(video)], window, stride, batch_size)
        return self.named(result, topk)

    def named(self, result: VideoResult, topk: int = 5) -> dict:
        """A result of :meth:`predict_all` as :meth:`predict` gives it."""
        fps = result.opened.fps
        scores = np.stack([np.asarray(x) for x in result.outputs])
        return dict(
            video=result.video,
            fps=round(fps, 3),
            frames=result.opened.frames,
            predictions=self.ranked(scores.mean(0), topk),
            windows=[
                dict(
                    start=round(start / fps, 3),
                    end=round(stop / fps, 3),
                    predictions=self.ranked(values, topk))
                for (start, stop), values in zip(result.opened.windows, scores)
            ])

    def watch(self,
              frames: Iterable[np.ndarray],
              fps: float,
              window: float = 2.,
              stride: float = 0.5,
              topk: int = 5) -> Iterator[Tuple[np.ndarray, List[dict]]]:
        """Predict a stream of frames, such as a webcam's, as it comes.

        Args:
            frames: RGB frames.
            fps: Frames per second.
            window: Seconds back that a prediction looks.
            stride: Seconds between two predictions.
            topk: Number of classes that are named.

        Yields:
            Each frame and the latest predictions, none at first.
        """
        stream = self.streaming(fps, window, stride)
        latest: List[dict] = []
        for frame in frames:
            scores = stream.push(frame)
            if scores is not None:
                latest = self.ranked(scores, topk)
            yield frame, latest


def local(video: str, folder: Path) -> str:
    """A file for a file or a URL, which is downloaded into a folder."""
    if '://' not in video:
        return video
    path = folder / (
        os.path.basename(unquote(urlparse(video).path)) or 'video')
    request = Request(video, headers={'User-Agent': 'mmdualpath'})
    folder.mkdir()
    with urlopen(request) as page, path.open('wb') as file:
        shutil.copyfileobj(page, file)
    return str(path)


def open_windows(video: str, folder: Path,
                 cut: Callable[[int, float], Windows]) -> Tuple[Any, Opened]:
    """An open video, and what is known of it.

    Args:
        video: Path or URL.
        folder: What a URL is downloaded into.
        cut: Gives the windows of a video of some frames and frames per second,
            such as :func:`sliding_windows`.
    """
    file = local(video, folder)
    reader = open_video(file)
    fps, frames = reader.get_avg_fps(), len(reader)
    return reader, Opened(file, fps, frames, cut(frames, fps))


def frames_in(reader: Any, size: int = 32) -> Iterator[np.ndarray]:
    """All frames ``(H, W, 3)`` of an open video, in order.

    Args:
        reader: An open video, see ``datasets.decoding.open_video``.
        size: Frames that are decoded at once.
    """
    for start in range(0, len(reader), size):
        numbers = range(start, min(start + size, len(reader)))
        yield from reader.get_batch(list(numbers)).asnumpy()


def find_videos(names: Iterable[str]) -> List[str]:
    """Files to predict: folders are searched, URLs stay as they are.

    Raises:
        ValueError: If a name is no file, folder or URL, or a folder holds no
            video.
    """
    found = []
    for name in names:
        path = Path(name)
        if '://' in name or path.is_file():
            found.append(name)
        elif path.is_dir():
            found += map(str, videos_in(path))
        else:
            raise ValueError(f'{name} is no file, folder, URL or webcam.')
    return found


def for_each(videos: Sequence[str],
             work: Callable[[VideoResult, str], None],
             results: Optional[Iterable[VideoResult]] = None) -> int:
    """Do something with each video; one that fails is reported and skipped.

    Args:
        videos: Paths or URLs. What fails on a single one is raised.
        work: Takes a result, and a name that no result of another video has.
        results: What was made of the videos; by default nothing yet.

    Returns:
        How many were skipped.
    """
    names = result_names(videos)
    skipped = 0
    for result in results or map(VideoResult, range(len(videos)), videos):
        error = result.error
        try:
            if not error:
                work(result, names[result.number])
        except Exception as raised:
            if len(videos) == 1:
                raise
            error = reason_of(raised)
        if error:
            print(f'{result.video}: skipped. {error}')
            skipped += 1
    if skipped:
        print(f'{skipped} of {len(videos)} videos were skipped.')
    return skipped


def lines_of(predictions: Sequence[Dict]) -> List[str]:
    """Predictions as text."""
    return [f'{p["score"]:6.1%}  {p["label"]}' for p in predictions]


def prediction_at(windows: Sequence[Dict], seconds: float) -> List[dict]:
    """Predictions of the window whose middle is closest to a time."""
    return min(
        windows, key=lambda w: abs(
            (w['start'] + w['end']) / 2 - seconds))['predictions']
