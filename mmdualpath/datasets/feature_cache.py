"""Features of a data set in files: written once, read instead of videos.

A folder holds for each split an ``index.json``, which says of what the
features are, and shards of equally many of them: ``00012.npy`` and a
``00012.json`` with labels and checksum. The latter is written last, and only
with it a shard counts, so that a process may be killed at any moment.
"""
import fcntl
import hashlib
import json
import os
import shlex
import shutil
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from typing import (Any, Callable, Dict, Iterator, List, Mapping, Optional,
                    Sequence, Tuple)

import numpy as np
import torch
from mmaction.registry import DATASETS
from mmaction.structures import ActionDataSample
from mmengine.dataset import BaseDataset
from torch import Tensor
from torch.utils.data import Dataset

from ..fileio import whole_file
from ..options import checked
from .video_dataset import UnreadableVideo

SHARD_BYTES = 2**28
# NumPy has no bfloat16: its bits are kept.
STORED = dict(float32='float32', float16='float16', bfloat16='uint16')


def key_of(backbone: Mapping, weights: str, preprocessor: Mapping,
           pipeline: Sequence[Mapping], dataset: Dataset) -> Dict[str, str]:
    """What features depend on, each as a SHA-256.

    Args:
        backbone: Config of ``FrozenFeatures``.
        weights: SHA-256 of its frozen tensors.
        preprocessor: Config of the data preprocessor.
        pipeline: Configs of the steps of the pipeline.
        dataset: The videos. Their names and labels count, not their content.
    """
    backbone = dict(backbone)
    if isinstance(backbone['backbone'], Mapping):
        backbone['backbone'] = {
            k: v
            for k, v in backbone['backbone'].items() if k != 'init_cfg'
        }
    root = dataset.data_prefix.get('video') or ''
    videos = [(os.path.relpath(info['filename'], root or None), info['label'])
              for info in map(dataset.get_data_info, range(len(dataset)))]
    parts = dict(
        backbone=backbone,
        weights=weights,
        data_preprocessor=preprocessor,
        pipeline=pipeline,
        videos=videos)
    return {
        name:
        hashlib.sha256(
            json.dumps(part, sort_keys=True,
                       default=repr).encode()).hexdigest()
        for name, part in parts.items()
    }


def _is_size(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_shape(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(
        map(_is_size, value))


def _is_label(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(
        value.get('label'), list) and value['label'] != [] and all(
            type(number) in (int, float)
            for number in value['label']) and isinstance(
                value.get('readable', True), bool)


# What an index has, and whether an entry is such.
INDEX_HAS: Dict[str, Callable[[Any], bool]] = dict(
    key=lambda key: isinstance(key, dict) and all(
        isinstance(v, str) for v in key.values()),
    videos=_is_size,
    views=_is_size,
    per_shard=_is_size,
    shape=_is_shape,
    image=lambda shape: _is_shape(shape) and len(shape) in (3, 4),
    dtype=lambda name: isinstance(name, str) and name in STORED)
INDEX = tuple(INDEX_HAS)


class FeatureCache:
    """The features of one split.

    Args:
        folder: Its folder.
        index: What it holds: ``key`` (see :func:`key_of`), ``videos`` and
            ``views`` (their numbers), ``shape`` of the features of a view,
            ``image``, that of the images or clips they are of, ``dtype`` and
            ``per_shard``. None reads what is there.

    Raises:
        ValueError: If there is none, or it is of something else.
    """

    def __init__(self, folder: Path, index: Dict[str, Any] = None) -> None:
        self.folder = Path(folder)
        path = self.folder / 'index.json'
        if index is not None and not path.exists():
            with whole_file(path) as part:
                part.write_text(json.dumps(index, indent=1))
        if not path.is_file():
            raise ValueError(f'{self.folder} holds no features: write them '
                             'with tools/cache_features.py.')
        there = self._index(path)
        self.key: Dict[str, str] = there['key']
        self.videos, self.views, self.per_shard = (
            there[n] for n in ('videos', 'views', 'per_shard'))
        self.shape, self.image = (tuple(there[n]) for n in ('shape', 'image'))
        self.dtype = there['dtype']
        self.stored = np.dtype(STORED[self.dtype])
        if index is not None:
            self.refuse_others(index['key'])
            other = [
                f'{n}={there[n]}, now {index[n]}' for n in INDEX[1:]
                if there[n] != index[n]
            ]
            if other:
                raise ValueError(f'{self.folder} was written with '
                                 f'{"; ".join(other)}: give another --out.')

    def _index(self, path: Path) -> Dict[str, Any]:
        """The index, each entry of it as it is to be.

        Raises:
            ValueError: If it is not, with the command that writes it anew.
        """
        try:
            index = _read_json(path)
            missing = [n for n in INDEX if n not in index]
            if missing:
                raise ValueError(f'{path} has no {", ".join(missing)}: '
                                 'another version wrote it.')
            wrong = [n for n in INDEX if not INDEX_HAS[n](index[n])]
            if wrong:
                raise ValueError(f'{path} is no index of features: '
                                 f'{wrong[0]}={index[wrong[0]]!r}.')
        except ValueError as error:
            command = shlex.join([
                'python', 'tools/cache_features.py', 'CONFIG', '--out',
                str(self.folder.parent), '--splits', self.folder.name
            ])
            raise ValueError(f'{error} Remove {self.folder} and write it '
                             f'anew: {command}') from None
        return index

    def refuse_others(self, key: Mapping[str, str]) -> None:
        """Compare what the features are of.

        Raises:
            ValueError: If it is something else, with the names of what.
        """
        other = [n for n, value in key.items() if self.key.get(n) != value]
        if other:
            raise ValueError(
                f'The features in {self.folder} are of another '
                f'{", ".join(other)} than this config has: write them again '
                'with tools/cache_features.py into another folder.')

    def __len__(self) -> int:
        """Number of features, those of all views."""
        return self.videos * self.views

    @property
    def item_bytes(self) -> int:
        """Bytes of the features of one view."""
        return int(np.prod(self.shape)) * self.stored.itemsize

    def items(self, shard: int) -> range:
        """The features of a shard; view v of video i is i * views + v."""
        first = shard * self.per_shard
        return range(first, min(first + self.per_shard, len(self)))

    def shards(self, part: int = 0, parts: int = 1) -> range:
        """Numbers of the shards, or of those of one of several parts."""
        return range(part, -(-len(self) // self.per_shard), parts)

    def missing(self, part: int = 0, parts: int = 1) -> List[int]:
        """The shards of a part that are not there."""
        return [
            s for s in self.shards(part, parts) if not self._path(s).exists()
        ]

    def write(self, shard: int, samples: Iterator[Tuple[Tensor,
                                                        Dict]]) -> None:
        """Write a shard whole, or not at all.

        Args:
            shard: Its number.
            samples: Features and label of each of :meth:`items`.

        Raises:
            ValueError: If features are of another shape.
            OSError: If it cannot be written.
        """
        labels, checksum = [], hashlib.sha256()
        count = len(self.items(shard))
        # Not a memory map: writing into one ends the process on a full disk.
        with ExitStack() as stack, whole_file(self._path(shard,
                                                         'npy')) as part:
            with part.open('wb') as file:
                # It stays locked until it has its name, see sweep().
                with suppress(OSError):  # not every file system has locks
                    fcntl.flock(file, fcntl.LOCK_EX)
                stack.callback(os.close, os.dup(file.fileno()))
                np.lib.format.write_array_header_1_0(file, self._header(count))
                for features, label in samples:
                    if tuple(features.shape) != self.shape:
                        raise ValueError(
                            f'Features are of shape {tuple(features.shape)}, '
                            f'those of the first video of {self.shape}: the '
                            'pipeline must give clips of one shape.')
                    data = self._encode(features)
                    checksum.update(data)
                    file.write(data)
                    labels.append(label)
        with whole_file(self._path(shard)) as part:
            part.write_text(
                json.dumps(dict(labels=labels, sha256=checksum.hexdigest())))

    def sweep(self) -> None:
        """Remove the parts of shards whose processes were killed."""
        for part in self.folder.glob('.*.npy.*.part'):
            with suppress(OSError), part.open('r+b') as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()

    def read(self, item: int) -> Tuple[Tensor, Dict[str, Any]]:
        """Features of a view, and its label.

        Raises:
            ValueError: If the shard is not there, or is not what the index
                says.
        """
        shard = item // self.per_shard
        array, labels = _open(self, shard)
        place = item - shard * self.per_shard
        tensor = torch.from_numpy(np.array(array[place]))
        return tensor.view(getattr(torch, self.dtype)), labels[place]

    def check(self, shard: int) -> None:
        """Compare the checksum of a shard.

        Raises:
            ValueError: If it is another one.
        """
        array, _ = self.open(shard)
        if hashlib.sha256(array.tobytes()).hexdigest() != _read_json(
                self._path(shard)).get('sha256'):
            raise ValueError(f'{self._path(shard, "npy")} is not as it was '
                             'written: remove it and write it again.')

    def open(self, shard: int) -> Tuple[np.ndarray, List[Dict]]:
        """Features of a shard, mapped into memory, and labels.

        Raises:
            ValueError: If it is not there, or not what the index says.
        """
        path, count = self._path(shard, 'npy'), len(self.items(shard))
        if not self._path(shard).is_file() or not path.is_file():
            raise ValueError(f'{path} is not there: run '
                             'tools/cache_features.py to its end.')
        labels = _read_json(self._path(shard)).get('labels')
        try:
            array = np.load(path, mmap_mode='r', allow_pickle=False)
        except (ValueError, OSError, EOFError, SyntaxError) as error:
            raise ValueError(f'{path} is no array of features '
                             f'({error}).') from None
        if not isinstance(array, np.ndarray) or array.dtype != self.stored \
                or array.shape != (count, *self.shape) \
                or path.stat().st_size != array.offset + array.nbytes \
                or not array.flags.c_contiguous:
            raise ValueError(
                f'{path} is not {(count, *self.shape)} of {self.dtype}, as '
                'the index says.')
        if not isinstance(labels, list) or len(labels) != count or not all(
                map(_is_label, labels)) or len(
                    {len(v['label'])
                     for v in labels}) > 1:
            raise ValueError(f'{self._path(shard)} does not hold {count} '
                             'labels: remove it and write it again.')
        return array, labels

    def refuse_no_space(self, shards: Sequence[int]) -> None:
        """Compare what is to be written with what is free.

        Raises:
            ValueError: If it does not fit.
        """
        needed = sum(len(self.items(s)) for s in shards) * self.item_bytes
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise ValueError(f'{needed / 1e9:.3g} GB of features do not fit '
                             f'into {self.folder}, where {free / 1e9:.3g} GB '
                             'are free.')

    def _path(self, shard: int, kind: str = 'json') -> Path:
        return self.folder / f'{shard:05d}.{kind}'

    def _header(self, count: int) -> Dict[str, Any]:
        return dict(
            descr=np.lib.format.dtype_to_descr(self.stored),
            fortran_order=False,
            shape=(count, *self.shape))

    def _encode(self, features: Tensor) -> bytes:
        features = features.to('cpu', getattr(torch, self.dtype)).contiguous()
        return features.view(getattr(torch, self.stored.name)).numpy() \
            .tobytes()


@lru_cache(maxsize=64)
def _open(cache: FeatureCache, shard: int) -> Tuple[np.ndarray, List[Dict]]:
    return cache.open(shard)


def _read_json(path: Path) -> Dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f'{path} cannot be read ({error}).') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path} is no mapping.')
    return content


class ReadFeatures:
    """A pipeline that reads features instead of a video.

    Of several views one is drawn.

    Args:
        cache: The features.
    """

    def __init__(self, cache: FeatureCache) -> None:
        self.cache = cache

    def __call__(self, info: Mapping[str, Any]) -> Dict[str, Any]:
        """``inputs`` ``(M*T, L, N, C)`` and ``data_samples``."""
        view = np.random.randint(self.cache.views)
        features, label = self.cache.read(info['sample_idx'] *
                                          self.cache.views + view)
        kind = ActionDataSample if label.get('readable', True) \
            else UnreadableVideo
        sample = kind().set_gt_label(torch.tensor(label['label']))
        return dict(inputs=features, data_samples=sample)


@DATASETS.register_module()
@checked
class FeatureDataset(BaseDataset):
    """Features of a split, or of some of its videos, without the videos.

    It reads what ``tools/cache_features.py`` wrote, for a model whose
    ``backbone.cache`` is set and whose data preprocessor leaves features as
    they are, ``dict(type='ActionDataPreprocessor', to_float32=False)``. So
    the folds of a split are trained on from one cache.

    Args:
        folder: Of one split.
        indices: Numbers of the videos; all by default.
        test_mode: As ``BaseDataset``.

    Raises:
        ValueError: If there are no features, or a number is of no video.
    """

    def __init__(self,
                 folder: str,
                 indices: Optional[Sequence[int]] = None,
                 test_mode: bool = False) -> None:
        self.cache = FeatureCache(Path(folder))
        self.chosen = range(
            self.cache.videos) if indices is None else list(indices)
        outside = [i for i in self.chosen if not 0 <= i < self.cache.videos]
        if outside:
            raise ValueError(f'indices={outside[:5]}: {folder} has features '
                             f'of {self.cache.videos} videos.')
        super().__init__(test_mode=test_mode)
        self.pipeline = ReadFeatures(self.cache)

    def load_data_list(self) -> List[Dict[str, Any]]:
        """Number and label of each video."""
        labels = []
        for video in self.chosen:
            label = self.cache.read(video * self.cache.views)[1]['label']
            labels.append(label[0] if len(label) == 1 else torch.tensor(label))
        return [
            dict(label=label, video=video)
            for label, video in zip(labels, self.chosen)
        ]

    def get_data_info(self, idx: int) -> Dict[str, Any]:
        """Number and label of a video."""
        info = super().get_data_info(idx)
        return dict(info, sample_idx=info['video'])


def label_of(sample: ActionDataSample) -> Dict[str, Any]:
    """What is kept of a sample beside its features."""
    return dict(
        label=sample.gt_label.tolist(),
        readable=not isinstance(sample, UnreadableVideo))
