"""Run an exported model on videos, without any package of OpenMMLab.

Needs numpy, PyAV and the runtime of the model's format. Windows, sampling and
resizing are those of the test pipeline that the model was exported with.
"""
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Iterable, Iterator, Optional, Sequence, Tuple

import numpy as np

from ..apis.videos import Predictor, VideoResult, open_windows
from ..datasets.bad_videos import reason_of
from ..sliding import WindowStream, sliding_windows
from .runtimes import ExportedGraph
from .steps import IMAGES, SAMPLERS


class ExportedModel(ExportedGraph, Predictor):
    """A model as ``tools/export.py`` writes it, for videos and streams.

    What a ``VideoInferencer`` does of the same model.

    Examples:
        >>> model = ExportedModel('model.onnx')
        >>> model.predict('video.mp4')['predictions'][0]['label']
    """

    def clips(self,
              reader: Any,
              start: int,
              stop: int,
              fps: float = 30.) -> np.ndarray:
        """Clips ``(M, T, H, W, 3)`` of a part of a video.

        Args:
            reader: An open video.
            start: First frame.
            stop: The one after the last.
            fps: Frames per second.

        Raises:
            ValueError: If its frames are of another size than the model's.
        """
        sample, *steps = self.steps
        numbers = SAMPLERS[sample['type']](stop - start, fps, sample) + start
        images = np.asarray(reader.get_batch(numbers.tolist()))
        for step in steps:
            images = IMAGES[step['type']](images, step)
        if images.shape[1:3] != self.frames[1:]:
            height, width = images.shape[1:3]
            raise ValueError(
                f'Frames of {height}x{width} pixels: {self.path} reads '
                f'{self.frames[1]}x{self.frames[2]}, and the pipeline it was '
                'exported with does not resize them.')
        return images.reshape(-1, *self.frames, 3)

    def scores(self,
               reader: Any,
               segments: Iterable[Tuple[int, int]],
               fps: float = 30.,
               batch_size: int = 4) -> Iterator[np.ndarray]:
        """As :meth:`Predictor.scores`."""
        segments = list(segments)
        for at in range(0, len(segments), batch_size):
            clips = [
                self.clips(reader, start, stop, fps)
                for start, stop in segments[at:at + batch_size]
            ]
            logits = self.run(np.concatenate(clips))
            for views in logits.reshape(len(clips), -1, logits.shape[-1]):
                yield softmax(views).mean(0)

    def predict_all(self,
                    videos: Sequence[str],
                    window: Optional[float] = None,
                    stride: Optional[float] = None,
                    batch_size: int = 4,
                    num_workers: int = 0) -> Iterator[VideoResult]:
        """As :meth:`Predictor.predict_all`, in order, and by this process."""
        cut = partial(sliding_windows, window=window, stride=stride)
        with TemporaryDirectory() as folder:
            for number, video in enumerate(videos):
                result = VideoResult(number, video)
                try:
                    reader, opened = open_windows(video,
                                                  Path(folder, str(number)),
                                                  cut)
                    result.opened = opened
                    result.outputs += self.scores(reader, opened.windows,
                                                  opened.fps, batch_size)
                except Exception as error:
                    if len(videos) == 1:
                        raise
                    result.error = reason_of(error)
                yield result

    def stream_of(self, hop: int, window: int, fps: float) -> 'ExportedStream':
        """As :meth:`Predictor.stream_of`; each clip is computed anew."""
        return ExportedStream(self, hop, window, fps)


class ExportedStream(WindowStream):
    """What an exported model says of the last frames of a stream.

    Args:
        model: The model.
        hop: Frames from one prediction to the next.
        window: Frames of a window.
        fps: Frames per second.
    """

    def __init__(self, model: ExportedModel, hop: int, window: int,
                 fps: float) -> None:
        super().__init__(hop, window)
        self.model, self.fps = model, fps

    def scores_of(self, start: int, stop: int) -> np.ndarray:
        """Scores ``(classes,)`` of a window."""
        return next(self.model.scores(self, [(start, stop)], self.fps))


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)
