"""Features of windows, and folders of them that localisation reads."""
import hashlib
import json
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Union

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..models.backbones import DualPathBackbone, views_of
from ..models.backbones.fingerprint import Fingerprint, digest
from ..models.backbones.frozen import tensors_of
from ..models.sites import sites_of, taps_of
from ..sliding import Windows, in_frames, sliding_windows
from .windows import Opened

SETTINGS = '_features.json'
NAMES = ('config', 'checkpoint')
LENGTH = re.compile(r'\d+|\d*\.?\d+s')
FORMATS = ('npy', 'npz')
DTYPES = dict(fp16=np.float16, fp32=np.float32)


class FeatureReader:
    """Reads a vector of each window out of a model.

    - ``both``: what DualPath's head reads, features of the spatial path, then
      of the temporal one; ``spatial`` or ``temporal``: of one path, and the
      other one does not run;
    - ``head``: what the last linear layer of the head reads;
    - ``block:N``: what a block of the backbone puts out, negative N from the
      end; the class token where there is one, else the mean of the patches;
      of DualPath that of the spatial path, then of the temporal one.

    Of several frames, clips, crops or tokens the mean is taken.

    Args:
        model: A recognizer.
        feature: One of these; by default what DualPath's head reads, and
            ``head`` of other models.

    Raises:
        ValueError: If the model has no such feature, or something in it is
            still to be measured by training.
    """

    def __init__(self, model: nn.Module, feature: Optional[str] = None):
        self.model = model
        backbone = model.backbone
        paths = backbone.paths if isinstance(backbone,
                                             DualPathBackbone) else ()
        named = {path: (path, ) for path in paths}
        if len(paths) == 2:
            named = dict(both=paths, **named)
        self.feature = feature or next(iter(named), 'head')
        self.paths = named.get(self.feature, ())
        other = tuple(f'backbone.{p}.' for p in {*paths} - {*self.paths}
                      if self.paths)
        unknown = [
            name for name, tensor in tensors_of(model)
            if tensor.isnan().any() and not name.startswith(other)
        ]
        if unknown:  # such as the amplitude of positions, before training
            raise ValueError(
                f'{", ".join(unknown)}: it is measured in training and not '
                'known yet, so that features would depend on the first batch: '
                'give a checkpoint of a training, or a feature without it.')
        kind, _, block = self.feature.partition(':')
        if self.paths:
            return
        if kind == 'block' and block.lstrip('-').isdecimal():
            self._taps = [
                _BlockTap(getattr(view, 'base', view), int(block))
                for view in views_of(backbone).values()
            ]
        elif self.feature == 'head':
            self._taps = [_LinearTap(model.cls_head)]
        else:
            raise ValueError(
                f'feature={self.feature!r}: {type(model).__name__} has '
                f'{", ".join((*named, "head"))} and block:N.')

    @torch.no_grad()
    def __call__(self, batch: Mapping[str, Any]) -> Tensor:
        """Features of a batch as MMEngine collates it, ``(B, C)``."""
        number = len(batch['data_samples'])
        if self.paths:
            inputs = self.model.data_preprocessor(batch)['inputs']
            found = [
                self.model.backbone.image_features(path,
                                                   inputs[path].flatten(0, 1))
                for path in self.paths
            ]
        else:
            with _listening(self._taps):
                self.model.test_step(batch)
            found = [torch.cat(tap.heard) for tap in self._taps]
        return torch.cat(
            [x.reshape(number, -1, x.shape[-1]).mean(1) for x in found],
            -1).float().cpu()


class _Tap:
    """Notes what passes a module.

    Attributes:
        heard: It, by calls.
    """
    module: nn.Module

    def __init__(self) -> None:
        self.heard: List[Tensor] = []


class _LinearTap(_Tap):
    """What the layer reads that gives the scores of a head."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        found = [
            m for m in head.modules()
            if isinstance(m, nn.Linear) and m.out_features == head.num_classes
        ]
        if not found:
            raise ValueError(f"feature='head': {type(head).__name__} has no "
                             'linear layer that gives its scores.')
        self.module = found[-1]

    def listen(self, module: nn.Module, args: tuple, out: Tensor) -> None:
        """A forward hook."""
        self.heard.append(args[0])


class _BlockTap(_Tap):
    """A vector of each row of the batch in a block."""

    def __init__(self, network: nn.Module, block: int) -> None:
        super().__init__()
        spot, = taps_of(network, [block])
        self.module = spot.module
        self.network, self.site = network, spot.site

    def listen(self, module: nn.Module, args: tuple, out: Any) -> None:
        """A forward hook."""
        unpack, site = sites_of(self.network).stream.unpack, self.site
        tokens = unpack(self.network, site, out)
        part = slice(site.class_tokens) if site.class_tokens else slice(
            site.extra_tokens, None)
        self.heard.append(tokens[:, part].mean(1))


@contextmanager
def _listening(taps: List[_Tap]) -> Iterator[None]:
    handles = [t.module.register_forward_hook(t.listen) for t in taps]
    for tap in taps:
        tap.heard.clear()
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def identity(model: nn.Module, cfg: Config) -> Dict[str, str]:
    """What makes a model's features what they are.

    Args:
        model: A recognizer with its weights.
        cfg: Its config.

    Returns:
        SHA-256 of ``model``, its part of the config, of ``pipeline``, that of
        the test data, and of ``weights``, all tensors, frozen ones included.
    """

    def told(part: Any) -> str:
        text = json.dumps(part, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    parts = cfg.to_dict()
    tensors = {name: digest(tensor) for name, tensor in tensors_of(model)}
    return dict(
        model=told(parts['model']),
        pipeline=told(parts['test_dataloader']['dataset']['pipeline']),
        weights=Fingerprint.of(tensors).sha256)


class Grid:
    """Windows of one length at multiples of a stride.

    Args:
        window: Frames, such as ``16``, or seconds, such as ``0.5s``; None is
            the whole video.
        stride: The same; defaults to half a window.

    Raises:
        ValueError: If one is something else, or not positive.
    """

    def __init__(self,
                 window: Optional[str] = None,
                 stride: Optional[str] = None) -> None:
        if window is None and stride is not None:
            raise ValueError(f'stride={stride}: give a window, too.')
        self.window = window
        self.stride = stride
        for name in ('window', 'stride'):
            text = getattr(self, name)
            if text is not None and not (LENGTH.fullmatch(text)
                                         and float(text.rstrip('s')) > 0):
                raise ValueError(f'{name}={text!r}: give frames, such as 16, '
                                 'or seconds, such as 0.5s.')

    def __call__(self, frames: int, fps: float) -> Windows:
        """The windows of a video, by :func:`sliding_windows`."""
        return sliding_windows(
            frames,
            fps,
            _seconds(self.window, fps),
            _seconds(self.stride, fps),
            to_the_end=False)

    def step(self, frames: int, fps: float) -> int:
        """Frames from one window of a video to the next."""
        if self.window is None:
            return frames
        return in_frames(
            _seconds(self.stride, fps) or _seconds(self.window, fps) / 2, fps)


def _seconds(length: Optional[str], fps: float) -> Optional[float]:
    if length is None:
        return None
    return float(length[:-1]) if length[-1] == 's' else int(length) / fps


class FeatureFolder:
    """A file of features for each video, and one of how they were made.

    A feature file holds ``(windows, C)``, a ``.npz`` under the name ``feats``.
    It appears when it is whole; the JSON file beside it is there by then.
    Several processes may write into one folder.

    Args:
        path: The folder.
        settings: How the features are made; all of a folder are made alike,
            whatever ``config`` and ``checkpoint`` are called.
        format: ``npy`` or ``npz``.
        dtype: ``fp16`` or ``fp32``.

    Raises:
        ValueError: If the folder holds features that were made otherwise.
    """

    def __init__(self,
                 path: Union[str, Path],
                 settings: Mapping[str, Any],
                 format: str = 'npy',
                 dtype: str = 'fp32') -> None:
        self.path = Path(path)
        self.settings = dict(settings, format=format, dtype=dtype)
        self.format = format
        self.dtype = dtype
        self.path.mkdir(parents=True, exist_ok=True)
        file = self.path / SETTINGS
        # Of several processes that start at once, one comes last.
        if not file.exists():
            descriptor, part = tempfile.mkstemp(dir=self.path)
            with open(descriptor, 'w') as text:
                json.dump(self.settings, text, indent=2)
            os.chmod(part, 0o644)
            os.replace(part, file)
        there = json.loads(file.read_text())
        differ = [
            f'{name} ({_short(there.get(name))} there, '
            f'{_short(now)} now)' for name, now in self.settings.items()
            if name not in NAMES and now != there.get(name)
        ]
        if differ:
            raise ValueError(
                f'{self.path} holds features that were made with another '
                f'{", ".join(differ)}. Give another folder.')

    def file(self, name: str) -> Path:
        """Where the features of a video are."""
        return self.path / f'{name}.{self.format}'

    def has(self, name: str, video: str) -> bool:
        """Whether the features of a video are there.

        Raises:
            ValueError: If those of another video are, under its name.
        """
        if not self.file(name).is_file():
            return False
        about = json.loads((self.path / f'{name}.json').read_text())
        if about['video'] != _place(video):
            raise ValueError(
                f'{self.file(name)} holds features of {about["video"]}, not '
                f'of {_place(video)}. Give another folder.')
        return True

    def write(self, name: str, video: str, opened: Opened, stride: int,
              features: Tensor) -> None:
        """Write the features of a video.

        Args:
            name: What its files are called.
            video: Path or URL.
            opened: Where its windows are.
            stride: Frames from one window to the next.
            features: ``(windows, C)``.

        Raises:
            ValueError: If the values are not finite in the type of the files.
        """
        with np.errstate(over='ignore'):
            array = features.numpy().astype(DTYPES[self.dtype])
        if not np.isfinite(array).all():
            raise ValueError(f'Features that {self.dtype} cannot hold.')
        start, stop = opened.windows[0]
        about = dict(
            video=_place(video),
            shape=array.shape,
            fps=opened.fps,
            frames=opened.frames,
            duration=opened.frames / opened.fps,
            window=stop - start,
            stride=stride,
            offset=(stop - start) / 2,
            settings=self.settings)
        file = self.file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        self._replace(
            self.path / f'{name}.json', lambda f: f.write(
                (json.dumps(about, indent=2) + '\n').encode()))
        self._replace(
            file, lambda f: np.save(f, array)
            if self.format == 'npy' else np.savez(f, feats=array))

    @staticmethod
    def _replace(file: Path, write) -> None:
        part = file.with_name(f'{file.name}.part')
        with part.open('wb') as opened:
            write(opened)
        part.replace(file)


def _place(video: str) -> str:
    return video if '://' in video else os.path.abspath(video)


def _short(value: Any) -> Any:
    return value[:12] if isinstance(value, str) else value
