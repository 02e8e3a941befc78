"""What the study's models read, rendered once.

Decoding is not what is studied: each view of the videos, such as framesets of
4 x 4 frames, is one memory-mapped array that all trainings share.
"""
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Tuple

import cv2
import numpy as np
import torch
from grid import symmetric
from mmaction.registry import DATASETS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from rich.progress import track
from sklearn.datasets import load_sample_images
from torch.utils.data import Dataset

from mmdualpath.framesets import grid_framesets, spatial_indices, to_pair

sys.path.append(str(Path(__file__).parents[1] / 'data'))
import render_digits as render  # noqa: E402

SIZE = 64  # pixels of a frame
SPLITS = dict(train=(0, render.TRAIN_DIGITS), test=(1, render.TEST_DIGITS))
STILLS = dict(train=(2, render.TRAIN_DIGITS), test=(3, render.TEST_DIGITS))


@dataclass(frozen=True, order=True)
class View:
    """Some images of every video.

    Attributes:
        length: Frames of a video.
        frames: Numbers of those that are read, one by one.
        grid: Instead, frames down and across a frameset.
        size: Height and width of a frameset.
    """
    length: int
    frames: Tuple[int, ...] = ()
    grid: Tuple[int, ...] = ()
    size: Tuple[int, ...] = ()

    def of(self, clip: torch.Tensor) -> torch.Tensor:
        """``(T, C, H, W)`` -> ``(T_S, C, H, W)`` or ``(T_G, C, H', W')``."""
        if self.grid:
            return grid_framesets(clip, self.grid, self.size)
        return clip[list(self.frames)]

    def path(self, folder: Path, split: str) -> Path:
        """Its file."""
        parts = ([
            f'grid{"x".join(map(str, self.grid))}',
            f'{"x".join(map(str, self.size))}px'
        ] if self.grid else ['frames', *map(str, self.frames)])
        return folder / f'{split}-{self.length}-{"-".join(parts)}.npy'


def views_of(cfg: Config, frames: int) -> Dict[str, View]:
    """Views that a model reads, by the name of its input.

    Args:
        cfg: Of a ``DualPath``, or of a model that reads single frames.
        frames: T, frames of a clip.
    """
    wanted = cfg.model.data_preprocessor
    if cfg.model.type != 'DualPath':
        return dict(frames=View(16, frames=tuple(symmetric(frames))))
    found = {}
    if wanted.num_spatial_frames is not None:
        chosen = spatial_indices(frames, wanted.num_spatial_frames)
        found['spatial'] = View(frames, frames=tuple(chosen))
    if wanted.grid is not None:
        size = to_pair(wanted.get('frameset_size') or SIZE, 'frameset_size')
        found['temporal'] = View(
            frames, grid=to_pair(wanted.grid, 'grid'), size=size)
    return found


def _render(job: Tuple[Path, str, int, List[View], int]) -> None:
    """Write some views of one video."""
    folder, split, index, views, length = job
    torch.set_num_threads(1)
    number, pool = SPLITS[split]
    motion = render.MOTIONS[index % len(render.MOTIONS)]
    frames = render.render_frames((number, index), motion, pool, length, SIZE)
    clip = torch.from_numpy(np.stack(frames)).movedim(-1, 1)
    for view in views:
        path = view.path(folder, split).with_suffix('.part')
        np.load(path, mmap_mode='r+')[index] = view.of(clip).numpy()


def prepare(folder: Path, views: Iterable[View], counts: Mapping[str,
                                                                 int]) -> None:
    """Render what is not there yet.

    Args:
        folder: Where to.
        views: Which ones.
        counts: Videos of each split.
    """
    folder.mkdir(parents=True, exist_ok=True)
    due: Dict[Tuple[str, int], List[View]] = {}
    for split in counts:
        number, pool = SPLITS[split]
        render.write_annotations(folder, split, number, pool, counts[split])
        for view in sorted(set(views)):
            if not view.path(folder, split).exists():
                due.setdefault((split, view.length), []).append(view)
    with multiprocessing.Pool() as pool:
        for (split, length), missing in due.items():
            blank = torch.zeros(length, 3, SIZE, SIZE, dtype=torch.uint8)
            for view in missing:
                draft = view.path(folder, split).with_suffix('.part')
                with draft.open('wb') as file:  # any name, not only .npy
                    np.lib.format.write_array_header_2_0(
                        file,
                        dict(
                            descr='|u1',
                            fortran_order=False,
                            shape=(counts[split], *view.of(blank).shape)))
                    size = counts[split] * view.of(blank).numel()
                    file.truncate(file.tell() + size)
            jobs = [(folder, split, i, missing, length)
                    for i in range(counts[split])]
            for _ in track(
                    pool.imap_unordered(_render, jobs, chunksize=32),
                    f'{split} videos of {length} frames',
                    total=len(jobs)):
                pass
            for view in missing:
                path = view.path(folder, split)
                path.with_suffix('.part').replace(path)


def _render_still(job: Tuple[int, Path, str]) -> None:
    index, folder, split = job
    number, pool = STILLS[split]
    render.render_image(index, folder, number, pool, SIZE)


def prepare_stills(folder: Path, counts: Mapping[str, int]) -> None:
    """Render still images of digits by class, and pieces of photographs.

    ``images`` has the digits. ``images-and-photos`` has them as well, and as
    many pieces of each of scikit-learn's two photographs as of a digit; those
    for testing are from their right quarter, the others from the rest.
    """
    for split, count in counts.items():
        digits = folder / 'images' / split
        both = folder / 'images-and-photos' / split
        done = folder / f'images-{split}.done'
        if done.exists():
            continue
        both.mkdir(parents=True, exist_ok=True)
        for digit in map(str, range(10)):
            (digits / digit).mkdir(parents=True, exist_ok=True)
            if not (both / digit).exists():
                os.symlink((digits / digit).resolve(), both / digit)
        jobs = [(i, digits, split) for i in range(count)]
        with multiprocessing.Pool() as pool:
            for _ in track(
                    pool.imap_unordered(_render_still, jobs, chunksize=64),
                    f'{split} images',
                    total=count):
                pass
        photos = load_sample_images()
        for name, photo in zip(photos.filenames, photos.images):
            _cut(photo, split, max(1, count // 10), both / Path(name).stem)
        done.touch()


def _cut(photo: np.ndarray, split: str, count: int, folder: Path) -> None:
    """Write square pieces of a photograph."""
    folder.mkdir(exist_ok=True)
    edge = photo.shape[1] * 3 // 4
    part = photo[:, :edge] if split == 'train' else photo[:, edge:]
    rng = np.random.default_rng(STILLS[split][0])
    for i in range(count):
        side = rng.integers(SIZE, min(2 * SIZE, *part.shape[:2]) + 1)
        y, x = (rng.integers(n - side + 1) for n in part.shape[:2])
        piece = cv2.resize(part[y:y + side, x:x + side], (SIZE, SIZE))
        cv2.imwrite(str(folder / f'{i:05d}.png'), piece[..., ::-1])


@DATASETS.register_module()
class PreparedClips(Dataset):
    """Views of videos that are there already, with their labels.

    Args:
        views: File of each of the model's inputs by its name; ``frames`` is
            that of a model that reads single frames.
        labels: Annotation file, whose last word in a line is the label.
    """

    def __init__(self, views: Mapping[str, str], labels: str) -> None:
        self.views = {k: np.load(v, mmap_mode='r') for k, v in views.items()}
        self.labels = [
            int(line.split()[-1])
            for line in Path(labels).read_text().splitlines()
        ]

    def __len__(self) -> int:
        """Videos."""
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        """Inputs of one clip, uint8, and its label."""
        inputs = {
            k: torch.from_numpy(np.array(v[index]))
            for k, v in self.views.items()
        }
        if 'frames' in inputs:
            inputs = inputs['frames']
        else:  # of one clip
            inputs = {k: v[None] for k, v in inputs.items()}
        sample = ActionDataSample().set_gt_label(self.labels[index])
        return dict(inputs=inputs, data_samples=sample)


def prepared(cfg: Config, frames: int, folder: Path, task: str) -> Config:
    """The same config on prepared videos.

    Args:
        cfg: Of a cell, changed in place.
        frames: T, frames of a clip.
        folder: Where the videos are.
        task: One of the generator's.
    """
    views = views_of(cfg, frames)
    suffix = '' if task == 'motion' else f'_{task}'
    for part, split in (('train', 'train'), ('val', 'test'), ('test', 'test')):
        loader = cfg[f'{part}_dataloader']
        loader.num_workers, loader.persistent_workers = 0, False
        loader.dataset = dict(
            type='PreparedClips',
            views={
                k: str(view.path(folder, split))
                for k, view in views.items()
            },
            labels=str(folder / f'{split}{suffix}.txt'))
        if part != 'train':
            loader.batch_size = 100
    return cfg
