"""Predictions for videos of any length."""
from functools import partial
from pathlib import Path
from typing import (Any, Callable, Dict, Iterable, Iterator, List, Optional,
                    Sequence, Tuple, Union)

import numpy as np
import torch
from mmaction.apis.inferencers import ActionRecogInferencer
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import nn

from ..datasets.bad_videos import reason_of
from ..datasets.reader import Frames
from ..datasets.video_files import result_names, videos_in
from ..sliding import in_frames, sliding_windows
from .streaming import StreamingRecognizer
from .windows import VideoResult, over_windows, segment


class FrameBuffer:
    """Frames in memory that decoding transforms read like a video.

    Args:
        frames: RGB frames ``(H, W, 3)``.
    """

    def __init__(self, frames: Iterable[np.ndarray]) -> None:
        self.frames = np.stack(list(frames))

    def __len__(self) -> int:
        return len(self.frames)

    def get_batch(self, indices: Iterable[int]) -> Frames:
        """The frames ``(n, H, W, 3)`` of some numbers."""
        return self.frames[list(indices)].view(Frames)


class VideoInferencer(ActionRecogInferencer):
    """MMAction2's inferencer for parts of videos, with names of classes.

    A segment is read by the test pipeline of the config as if it were a video
    of its own. Of several crops the middle one is taken, as MMAction2's
    inferencer does.

    Args:
        model: Path of a config, or None to take the one that the checkpoint
            brings along.
        weights: Path or URL of a checkpoint.
        device: Device, by default a GPU if there is one.
        labels: File with the name of a class per line.

    Raises:
        ValueError: If the number of labels is not that of the classes.
    """

    def __init__(self,
                 model: Union[str, Path, Config, None] = None,
                 weights: Optional[str] = None,
                 device: Optional[str] = None,
                 labels: Union[str, Path, None] = None) -> None:
        if model is None and weights is None:
            raise ValueError('Give a config, or a checkpoint that holds one.')
        super().__init__(
            str(model) if isinstance(model, Path) else model, weights, device)
        self.labels = None
        if labels is not None:
            self.labels = Path(labels).read_text().strip().split('\n')
            classes = self.model.cls_head.num_classes
            if len(self.labels) != classes:
                raise ValueError(f'{labels} names {len(self.labels)} classes, '
                                 f'but the model has {classes}.')
        # Scores that sum to one, whatever the config averages.
        self.model.cls_head.average_clips = 'prob'

    def _load_weights_to_model(self, model: nn.Module,
                               checkpoint: Optional[dict],
                               cfg: Optional[Config]) -> None:
        super()._load_weights_to_model(model, checkpoint, cfg)
        self._trained = checkpoint is not None

    def check_trained(self) -> None:
        """Refuse to predict without a checkpoint.

        Raises:
            ValueError: If there is none.
        """
        if not self._trained:
            raise ValueError('The head of the model is untrained, so that its '
                             'predictions mean nothing: give a checkpoint.')

    def _init_pipeline(self, cfg: Config) -> Compose:
        steps = super()._init_pipeline(cfg).transforms
        # The first two steps open a file; segments bring an open one.
        return Compose(steps[2:])

    def name(self, index: int) -> str:
        """Name of a class."""
        return self.labels[index] if self.labels else f'class {index}'

    def scores(self,
               reader,
               segments: Iterable[Tuple[int, int]],
               fps: float = 30.,
               batch_size: int = 4) -> Iterator[torch.Tensor]:
        """Scores of segments of a video.

        Args:
            reader (Any): An open video, see
                :func:`~mmdualpath.datasets.decoding.open_video`, or a
                :class:`FrameBuffer`.
            segments: First frame and the one after the last of each.
            fps: Frames per second.
            batch_size: Segments that go through the model at once.

        Yields:
            ``(classes,)`` of each segment, summing to one.

        Raises:
            ValueError: If the model was given no checkpoint.
        """
        self.check_trained()
        inputs = (dict(segment(start, stop, fps), video_reader=reader)
                  for start, stop in segments)
        for batch in self.preprocess(inputs, batch_size):
            yield from self._score(batch)

    def _score(self, batch: dict) -> List[torch.Tensor]:
        return [sample.pred_score.cpu() for sample in self.forward(batch)]

    def ranked(self, scores: torch.Tensor, topk: int = 5) -> List[dict]:
        """The best classes as ``label``, ``index`` and ``score``."""
        best = scores.topk(min(topk, len(scores)))
        return [
            dict(label=self.name(i), index=i, score=round(s, 6))
            for s, i in zip(best.values.tolist(), best.indices.tolist())
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

    def predict_all(self,
                    videos: Sequence[str],
                    window: Optional[float] = None,
                    stride: Optional[float] = None,
                    batch_size: int = 4,
                    num_workers: int = 0) -> Iterator[VideoResult]:
        """Scores of many videos, whose windows fill batches together.

        Args:
            videos: Paths or URLs.
            window: As of :meth:`predict`.
            stride: As of :meth:`predict`.
            batch_size: Windows that go through the model at once.
            num_workers: Processes that decode ahead.

        Yields:
            As :func:`over_windows`, with the scores ``(classes,)`` of each
            window.

        Raises:
            ValueError: If the model was given no checkpoint.
        """
        self.check_trained()
        cut = partial(sliding_windows, window=window, stride=stride)
        return over_windows(videos, self.pipeline, cut, self._score,
                            batch_size, num_workers)

    def named(self, result: VideoResult, topk: int = 5) -> dict:
        """A result of :meth:`predict_all` as :meth:`predict` gives it."""
        fps = result.opened.fps
        return dict(
            video=result.video,
            fps=round(fps, 3),
            frames=result.opened.frames,
            predictions=self.ranked(torch.stack(result.outputs).mean(0), topk),
            windows=[
                dict(
                    start=round(start / fps, 3),
                    end=round(stop / fps, 3),
                    predictions=self.ranked(scores, topk))
                for (
                    start,
                    stop), scores in zip(result.opened.windows, result.outputs)
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
        recognizer = self.streaming(fps, window, stride)
        latest: List[dict] = []
        for frame in frames:
            scores = recognizer.push(frame)
            if scores is not None:
                latest = self.ranked(scores, topk)
            yield frame, latest

    def streaming(self, fps: float, window: float,
                  stride: float) -> StreamingRecognizer:
        """What predicts the windows of a stream that a file of it has.

        Args:
            fps: Frames per second.
            window: Seconds of a window.
            stride: Seconds from one window to the next.

        Raises:
            ValueError: If the model was given no checkpoint, or window or
                stride is not positive.
        """
        self.check_trained()
        return StreamingRecognizer(
            self.model,
            hop=in_frames(stride, fps),
            window=in_frames(window, fps),
            fps=fps,
            pipeline=self.pipeline)


def frames_in(reader: Any, size: int = 32) -> Iterator[np.ndarray]:
    """All frames ``(H, W, 3)`` of an open video, in order.

    Args:
        reader: As :meth:`VideoInferencer.scores` takes it.
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


def prediction_at(windows: List[Dict], seconds: float) -> List[dict]:
    """Predictions of the window whose middle is closest to a time."""
    return min(
        windows, key=lambda w: abs(
            (w['start'] + w['end']) / 2 - seconds))['predictions']
