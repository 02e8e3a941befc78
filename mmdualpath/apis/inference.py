"""Predictions for videos of any length."""
from functools import partial
from pathlib import Path
from typing import (Any, Iterable, Iterator, List, Optional, Sequence, Tuple,
                    Union)

import numpy as np
import torch
from mmaction.apis.inferencers import ActionRecogInferencer
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import nn

from ..datasets.collection import read_names
from ..datasets.reader import Frames
from ..sliding import sliding_windows
from .streaming import StreamingRecognizer
from .videos import (Predictor, VideoResult, find_videos, for_each, frames_in,
                     prediction_at)
from .windows import over_windows, segment

__all__ = [
    'FrameBuffer', 'VideoInferencer', 'find_videos', 'for_each', 'frames_in',
    'prediction_at'
]


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


class VideoInferencer(Predictor, ActionRecogInferencer):
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
            self.labels = read_names(Path(labels))
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

    def scores(self,
               reader: Any,
               segments: Iterable[Tuple[int, int]],
               fps: float = 30.,
               batch_size: int = 4) -> Iterator[torch.Tensor]:
        """As :meth:`Predictor.scores`."""
        self.check_trained()
        inputs = (dict(segment(start, stop, fps), video_reader=reader)
                  for start, stop in segments)
        for batch in self.preprocess(inputs, batch_size):
            yield from self._score(batch)

    def _score(self, batch: dict) -> List[torch.Tensor]:
        return [sample.pred_score.cpu() for sample in self.forward(batch)]

    def predict_all(self,
                    videos: Sequence[str],
                    window: Optional[float] = None,
                    stride: Optional[float] = None,
                    batch_size: int = 4,
                    num_workers: int = 0) -> Iterator[VideoResult]:
        """As :meth:`Predictor.predict_all`, by :func:`over_windows`."""
        self.check_trained()
        cut = partial(sliding_windows, window=window, stride=stride)
        return over_windows(videos, self.pipeline, cut, self._score,
                            batch_size, num_workers)

    def stream_of(self, hop: int, window: int,
                  fps: float) -> StreamingRecognizer:
        """As :meth:`Predictor.stream_of`."""
        self.check_trained()
        return StreamingRecognizer(
            self.model,
            hop=hop,
            window=window,
            fps=fps,
            pipeline=self.pipeline)
