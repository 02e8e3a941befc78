"""Videos of a list, some of which may be broken."""
import os.path as osp
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any, List, Optional

import av
import numpy as np
import torch
from mmaction.datasets import VideoDataset
from mmaction.registry import DATASETS
from mmaction.structures import ActionDataSample
from mmengine.fileio import list_from_file
from mmengine.logging import print_log

from ..options import checked
from .bad_videos import BadVideoReport, reason_of
from .randomness import seeded

UNREADABLE = ('raise', 'wrong')


class UnreadableVideo(ActionDataSample):
    """The label of a video that was not read: every prediction is wrong.

    Whatever the model says of the black frames that stand in for the video,
    the true classes score lowest, so each metric counts the video as a miss.
    """

    def set_pred_score(self, value: Any) -> 'UnreadableVideo':
        """Set 0 for the true classes and a positive score for all others."""

        def wrong(scores: torch.Tensor) -> torch.Tensor:
            scores = torch.full_like(scores, 1 / max(scores.numel() - 1, 1))
            if self.gt_label.numel() == scores.numel() > 1:  # one-hot
                return scores.masked_fill(self.gt_label.bool(), 0.)
            return scores.index_fill(-1, self.gt_label.to(scores.device), 0.)

        if isinstance(value, dict):
            value = {k: wrong(v) for k, v in value.items()}
        else:
            value = wrong(value)
        return super().set_pred_score(value)

    def set_pred_label(self, value: Any) -> 'UnreadableVideo':
        """Set the class that :meth:`set_pred_score` scored best."""
        if isinstance(self.pred_score, torch.Tensor):
            value = self.pred_score.argmax(-1, keepdim=True)
        return super().set_pred_label(value)


@DATASETS.register_module()
@checked
class ReliableVideoDataset(VideoDataset):
    """MMAction2's ``VideoDataset`` for lists with broken files in them.

    A video is unreadable if the pipeline fails on it and not on a small
    intact video; otherwise the pipeline is at fault and its error is raised.

    - In training another video, drawn at random, takes its place with its own
      label.
    - In testing an error is raised, or the video counts as a wrong answer.

    Either way its path and the reason are listed once in the report, which
    ``BadVideoHook`` puts into the work folder. With a ``ResumableSampler``
    everything random about a sample is a function of seed, epoch and index.

    Args:
        ann_file: Lines of ``path label``, or ``path label label ...`` with
            ``multi_class``. A path may contain the delimiter if there is one
            label. Without labels only if ``test_mode``. The folder that
            ``data_prefix`` names must be there.
        max_bad_share: Share of the videos that may be unreadable; with one
            more, reading stops.
        unreadable: ``raise`` or ``wrong``, in testing.
        report: File to list unreadable videos in. Without one they are only
            logged and counted by each process.
        args (Any): As ``VideoDataset``.
        kwargs (Any): As ``VideoDataset``.

    Raises:
        ValueError: If an argument or a line of ``ann_file`` is not as
            described.
    """

    def __init__(self,
                 ann_file: str,
                 *args,
                 max_bad_share: float = 0.01,
                 unreadable: str = 'raise',
                 report: Optional[str] = None,
                 **kwargs) -> None:
        if unreadable not in UNREADABLE:
            raise ValueError(f'unreadable={unreadable!r} is none of '
                             f'{", ".join(UNREADABLE)}.')
        if not 0 <= max_bad_share <= 1:
            raise ValueError(f'max_bad_share={max_bad_share!r} is no share '
                             'between 0 and 1.')
        self.max_bad_share = max_bad_share
        self.unreadable = unreadable
        self.report = report
        self.max_label = -1
        self._pipeline_works = False
        self._bad_here = set()  # where there is no report
        # Some transforms draw when they are built, before a resumed run has
        # its seed from the checkpoint: ColorJitter its order.
        with seeded(0):
            super().__init__(ann_file, *args, **kwargs)

    def load_data_list(self) -> List[dict]:
        """Read ``ann_file``."""
        folder = self.data_prefix['video'] or '.'
        if '://' not in folder and not osp.isdir(folder):
            raise ValueError(f'data_prefix: there is no folder {folder} with '
                             f'the videos of {self.ann_file}.')
        try:
            lines = list_from_file(self.ann_file, encoding='utf-8-sig')
        except UnicodeDecodeError as error:
            raise ValueError(f'ann_file {self.ann_file} is no text in UTF-8 '
                             f'({error}).') from None
        if self.multi_class and not self.num_classes:
            raise ValueError('multi_class=True needs num_classes.')
        videos = [
            self._parse(line.strip(), number)
            for number, line in enumerate(lines, 1) if line.strip()
        ]
        if not videos:
            raise ValueError(f'ann_file {self.ann_file} lists no videos.')
        return videos

    def _parse(self, line: str, number: int) -> dict:
        """One line as ``filename`` and ``label``."""

        def refuse(field: str, what: str) -> ValueError:
            return ValueError(f'ann_file {self.ann_file}, line {number}: '
                              f'{field} {what}, given {line[:200]!r}.')

        path, *labels = line.split(self.delimiter)
        if not self.multi_class and len(labels) > 1:
            path, labels = line.rsplit(self.delimiter, 1)
            labels = [labels]
        if not path.strip() or '\0' in path:
            raise refuse('path', 'must be the name of a file')
        if not labels:
            if not self.test_mode:
                raise refuse('label', 'is missing')
            labels = ['-1']
        elif not all(v.isdecimal() and len(v) < 10 for v in labels):
            raise refuse('label', 'must be a class number from 0 on')
        numbers = [int(label) for label in labels]
        if self.num_classes and max(numbers) >= self.num_classes:
            raise refuse('label', f'must be below num_classes='
                         f'{self.num_classes}')
        self.max_label = max(self.max_label, *numbers)
        return dict(
            filename=osp.join(self.data_prefix['video'] or '', path),
            label=numbers if self.multi_class else numbers[0])

    def __getitem__(self, idx: int) -> dict:
        """Read a sample; see the class for one that cannot be read."""
        key = getattr(idx, 'key', None)
        with nullcontext() if key is None else seeded(*key):
            return super().__getitem__(idx)

    def prepare_data(self, idx: int) -> Optional[dict]:
        """A sample; None if it cannot be read and another may stand in.

        Raises:
            ValueError: If too many videos are unreadable, or one is and
                testing asks for an error.
        """
        info = self.get_data_info(idx)
        path = info['filename']
        try:
            if osp.exists(path) and not osp.isfile(path):
                raise OSError(f'{path} is no regular file.')
            return self.pipeline(info)
        except Exception as error:
            if not self._pipeline_works:
                try:
                    self._read_black(idx)
                except Exception:  # so it is not this video's fault
                    raise error
                self._pipeline_works = True
            self._blame(path, error)
        if not self.test_mode:
            return None
        data = self._read_black(idx)
        sample = data['data_samples']
        meta = dict(sample.metainfo_items())
        if 'filename' in meta:
            meta['filename'] = path
        data['data_samples'] = UnreadableVideo(
            metainfo=meta, **dict(sample.items()))
        return data

    def _blame(self, path: str, error: Exception) -> None:
        """Report a video; raise if that must stop the run."""
        reason = reason_of(error)
        if self.report:
            new, count = BadVideoReport(self.report).add(path, reason)
        else:
            new = path not in self._bad_here
            self._bad_here.add(path)
            count = len(self._bad_here)
        where = f'listed in {self.report}' if self.report else 'logged'
        if new:
            print_log(f'{path} cannot be read: {reason}', logger='current')
        if self.test_mode and self.unreadable == 'raise':
            raise ValueError(
                f'{path} cannot be read: {reason}. Repair it, or count what '
                "is unreadable as a wrong answer with unreadable='wrong' in "
                'the data set.') from error
        if count > self.max_bad_share * len(self):
            raise ValueError(
                f'{count} of the {len(self)} videos of {self.ann_file} cannot '
                f'be read, more than max_bad_share={self.max_bad_share} '
                f'allows. They are {where}; the last was {path}: '
                f'{reason}.') from error

    def _read_black(self, idx: int) -> dict:
        """The sample with a few black frames instead of its video."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder, 'black.mp4'))
            with av.open(path, 'w') as video:
                stream = video.add_stream('mpeg4', rate=8)
                stream.width, stream.height = 64, 64
                for _ in range(16):
                    frame = av.VideoFrame.from_ndarray(
                        np.zeros((64, 64, 3), np.uint8))
                    video.mux(stream.encode(frame))
                video.mux(stream.encode())
            return self.pipeline(dict(self.get_data_info(idx), filename=path))
