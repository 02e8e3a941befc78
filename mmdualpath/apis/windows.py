"""Windows of videos: which there are, and how many videos pass a model."""
import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

import cv2
import torch
from mmengine.dataset import pseudo_collate
from torch.utils._pytree import tree_map
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from ..datasets.bad_videos import reason_of
from ..sliding import Windows
from .videos import Opened, VideoResult, open_windows


def segment(start: int, stop: int, fps: float) -> dict:
    """What a test pipeline is told of a segment of an open video.

    Args:
        start: Number of its first frame.
        stop: Number of the one after its last.
        fps: Frames per second.
    """
    return dict(
        total_frames=stop - start,
        start_index=start,
        avg_fps=fps,
        label=-1,
        modality='RGB')


class VideoWindows(IterableDataset):
    """Windows of videos, one after the other; worker k of n reads each n-th.

    Items are the number of a video, that of a window, and what the pipeline
    makes of it. First, as window -1, comes :class:`Opened`, and where reading
    fails, the reason, after which nothing more comes of the video. The error
    of a single video is raised.

    Args:
        videos: Paths or URLs.
        pipeline: Takes what :func:`segment` gives and a ``video_reader``.
        cut: See :func:`~mmdualpath.apis.videos.open_windows`.
        folder: Where URLs are downloaded to.
    """

    def __init__(self, videos: Sequence[str], pipeline: Callable[[dict], dict],
                 cut: Callable[[int, float], Windows], folder: str) -> None:
        self.videos = videos
        self.pipeline = pipeline
        self.cut = cut
        self.folder = folder

    def __iter__(self) -> Iterator[Tuple[int, int, Any]]:
        """Read the videos of this worker."""
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for number in range(first, len(self.videos), step):
            try:
                for index, item in enumerate(self._read(number), -1):
                    yield number, index, item
            except Exception as error:
                if len(self.videos) == 1:
                    raise
                yield number, -1, reason_of(error)

    def _read(self, number: int) -> Iterator[Any]:
        reader, opened = open_windows(self.videos[number],
                                      Path(self.folder, str(number)), self.cut)
        yield opened
        for start, stop in opened.windows:
            yield self.pipeline(
                dict(segment(start, stop, opened.fps), video_reader=reader))


def over_windows(videos: Sequence[str],
                 pipeline: Callable[[dict], dict],
                 cut: Callable[[int, float], Windows],
                 model: Callable[[dict], Sequence[Any]],
                 batch_size: int = 4,
                 num_workers: int = 0) -> Iterator[VideoResult]:
    """Let the windows of many videos pass a model.

    Windows of all videos fill the batches together, those of one shape; the
    next ones are decoded meanwhile. A video that fails takes no other along.

    Args:
        videos: Paths or URLs. What fails on a single one is raised.
        pipeline: Takes what :func:`segment` gives and a ``video_reader``.
        cut: See :func:`~mmdualpath.apis.videos.open_windows`.
        model: Takes a batch as MMEngine collates it and gives something for
            each window of it.
        batch_size: Windows that go through the model at once.
        num_workers: Processes that decode; a video is read by one of them. 0
            decodes in this one.

    Yields:
        Each video once it is finished, not always in order. A download is
        there until the last one.

    Raises:
        ValueError: If ``batch_size`` is not positive or ``num_workers`` is
            negative.
    """
    if batch_size < 1 or num_workers < 0:
        raise ValueError(f'batch_size={batch_size} must be positive and '
                         f'num_workers={num_workers} not negative.')
    num_workers = min(num_workers, len(videos))
    results = {n: VideoResult(n, video) for n, video in enumerate(videos)}
    # By shape: of which video, which of its windows, and what was read.
    waiting: Dict[Any, List[Tuple[VideoResult, int, dict]]] = {}

    def flush(shape: Any) -> Iterator[VideoResult]:
        """Compute what waits of a shape; gives videos that are finished."""
        parts = [p for p in waiting.pop(shape) if not p[0].error]
        try:
            outputs = model(pseudo_collate([data for _, _, data in parts])) \
                if parts else []
        except Exception as error:
            if len(videos) == 1:
                raise
            for result, _, _ in parts:
                result.error = reason_of(error)
        else:
            for (result, index, _), output in zip(parts, outputs):
                result.outputs[index] = output
                result.left -= 1
        for result, _, _ in parts:
            if result.finished and results.pop(result.number, None):
                yield result

    with TemporaryDirectory() as folder:
        loader = DataLoader(
            VideoWindows(videos, pipeline, cut, folder),
            batch_size=None,
            num_workers=num_workers,
            # Two batches ahead, by all workers together.
            prefetch_factor=math.ceil(2 * batch_size /
                                      num_workers) if num_workers else None,
            worker_init_fn=_one_thread)
        for number, index, item in loader:
            result = results.get(number)
            if result is None:  # the model refused a window before
                continue
            if isinstance(item, str):
                result.error = item
                yield results.pop(number)
            elif isinstance(item, Opened):
                result.opened, result.left = item, len(item.windows)
                result.outputs = [None] * result.left
            else:
                shape = str(tree_map(torch.Tensor.size, item['inputs']))
                waiting.setdefault(shape, []).append((result, index, item))
                fullest = max(waiting, key=lambda s: len(waiting[s]))
                if len(waiting[fullest]) == batch_size or sum(
                        map(len, waiting.values())) == 4 * batch_size:
                    yield from flush(fullest)
        for shape in list(waiting):
            yield from flush(shape)


def _one_thread(worker: int) -> None:
    """As of MMEngine's loaders: workers share the cores among them."""
    cv2.setNumThreads(0)
