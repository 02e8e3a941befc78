"""What tools/fit.py reaches on rendered videos.

``imbalance``: eight motions with 200 to 2 training videos, with what fit
chooses against small classes and without. ``labels``: two digits with a motion
each, so that a video has two labels. ``quickstart``: its videos in plain
folders. Seeds draw the videos (not the quickstart's) and all weights and
orders. Run the same command again to go on where it stopped.
"""
import argparse
import csv
import json
import shlex
import statistics
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np

from data import render_digits as digits
from mmdualpath.analysis.provenance import provenance, stale
from mmdualpath.apis.fit import fit
from mmdualpath.fileio import whole_file
from .tables import described, rows_table

BACKBONE = 'mmdualpath://vit-mini_digits.pth'
DEPENDS = ('configs/_base_/models/dualpath_vit-mini.py',
           'mmdualpath/apis/fit/recipe.py', 'mmdualpath/apis/fit/writing.py',
           'mmdualpath/datasets/sampler.py', 'tools/data/render_digits.py')
# And of a task alone.
OWN = dict(
    imbalance=('mmdualpath/apis/fit/balancing.py',
               'mmdualpath/models/losses.py'))
# Training videos of each motion: a hundred to one.
COUNTS = (200, 104, 54, 28, 14, 8, 4, 2)
LENGTH, SIZE = 16, 64
Figures = Dict[str, float]


def imbalance(folder: Path, seed: int, options: Dict[str, Any]) -> Figures:
    """Macro-F1 with and without what fit chooses."""
    videos = folder / 'videos'
    # Which motion is rare differs.
    motions = np.random.default_rng(seed).permutation(digits.MOTIONS)
    for motion, count in zip(motions, COUNTS):
        _render(videos / 'train' / motion, motion, seed, digits.TRAIN_DIGITS,
                count)
        _render(videos / 'val' / motion, motion, seed, digits.TEST_DIGITS, 25)
    rows = {}
    for balance in ('none', 'auto'):
        found = fit(
            videos,
            BACKBONE,
            folder / balance,
            balance=balance,
            seed=seed,
            **options)
        name = 'nothing done' if balance == 'none' else 'what fit chooses'
        for model in ('linear', 'dualpath'):
            figures = found['models'][f'{model}/as shown']
            rows[f'{model}, {name}'] = figures['macro-F1']['value']
    return rows


def labels(folder: Path, seed: int, options: Dict[str, Any]) -> Figures:
    """Mean average precision of two motions in a video."""
    lists = {}
    for split, (name, pool, count) in enumerate(
        (('train', digits.TRAIN_DIGITS, 600), ('val', digits.TEST_DIGITS,
                                               200))):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        lists[name] = folder / f'{name}.csv'
        rows = [('video', 'labels')]
        for index in range(count):
            rng = np.random.default_rng((seed, split, index))
            motions = rng.choice(digits.MOTIONS, 2, replace=False)
            path = place / f'{index:05d}.mp4'
            if not path.exists():
                _write(path, two_digits(rng, motions, pool))
            rows.append((f'{name}/{path.name}', ';'.join(motions)))
        with lists[name].open('w', newline='') as file:
            csv.writer(file).writerows(rows)
    found = fit(
        lists['train'],
        BACKBONE,
        folder / 'fit',
        val=lists['val'],
        seed=seed,
        **options)
    return {
        name.replace('/', ', '): figures['mean average precision']['value']
        for name, figures in found['models'].items()
    }


def quickstart(folder: Path, seed: int, options: Dict[str, Any]) -> Figures:
    """Top-1 on the quickstart's videos, in folders."""
    root = Path('data/digits')
    if not (root / 'test.txt').is_file():
        raise ValueError(f'{root} has no videos: python '
                         'tools/data/render_digits.py data/digits')
    for split, name in (('train', 'train'), ('test', 'val')):
        for line in (root / f'{split}.txt').read_text().splitlines():
            video, label = line.split()
            place = folder / 'videos' / name / digits.MOTIONS[int(label)]
            place.mkdir(parents=True, exist_ok=True)
            if not (place / video).exists():
                (place / video).symlink_to((root / split / video).resolve())
    found = fit(
        folder / 'videos', BACKBONE, folder / 'fit', seed=seed, **options)
    return {
        name.replace('/', ', '): figures['top-1']['value']
        for name, figures in found['models'].items()
    }


TASKS: Dict[str, Callable[[Path, int, Dict[str, Any]], Figures]] = dict(
    imbalance=imbalance, labels=labels, quickstart=quickstart)


def two_digits(rng: np.random.Generator, motions: List[str],
               pool: slice) -> List[np.ndarray]:
    """Frames ``(H, W, 3)`` in which two digits move, each in its way."""
    background = digits.texture(rng, SIZE)
    frames = [background] * LENGTH
    for motion in motions:
        glyph, _ = digits.draw_digit(rng, pool)
        colour = rng.uniform(0.75, 1., 3).astype(np.float32)
        path = digits.trajectory(rng, motion, LENGTH, SIZE)
        frames = [
            digits.paste(f, glyph, colour, (x, y), extent) / np.float32(255)
            for f, (x, y, extent) in zip(frames, path)
        ]
    return [np.round(255 * f).astype(np.uint8) for f in frames]


def _render(folder: Path, motion: str, seed: int, pool: slice,
            count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    number = digits.MOTIONS.index(motion)
    test = pool == digits.TEST_DIGITS
    for index in range(count):
        path = folder / f'{index:05d}.mp4'
        if not path.exists():
            _write(
                path,
                digits.render_frames((seed, number, index, test), motion, pool,
                                     LENGTH, SIZE))


def _write(path: Path, frames: List[np.ndarray]) -> None:
    part = path.with_name(f'.{path.name}')
    digits.write_video(part, frames)
    part.rename(path)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``fit`` takes."""
    parser.add_argument('task', choices=TASKS)
    parser.add_argument('--seeds', nargs='+', type=int, default=range(5))
    parser.add_argument('--epochs', type=int, help='of the adapters')
    parser.add_argument('--augment')
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/benchmark_fit'))
    parser.add_argument('--out', type=Path, help='JSON file to write')


def main(args: argparse.Namespace) -> str:
    """Fit, and give the table."""
    options = {
        name: getattr(args, name)
        for name in ('epochs', 'augment') if getattr(args, name) is not None
    }
    content = provenance(
        f'python tools/benchmark.py {shlex.join(sys.argv[1:])}',
        (*DEPENDS, *OWN.get(args.task, ())))
    rows: Dict[str, Dict[str, float]] = {}
    if args.out and args.out.is_file():
        before = json.loads(args.out.read_text())
        rows = {} if stale(before) else before['rows']
    done = {name for row in rows.values() for name in row}
    for seed in args.seeds:
        if f'seed {seed}' in done:
            continue
        found = TASKS[args.task](args.work_dir / f'{args.task}{seed}', seed,
                                 options)
        for name, value in found.items():
            row = rows.setdefault(name, {})
            row[f'seed {seed}'] = value
        for row in rows.values():
            row.pop('mean', None)
            row['mean'] = statistics.mean(row.values())
        content['rows'] = rows
        if args.out:
            with whole_file(args.out) as part:
                part.write_text(json.dumps(content, indent=1) + '\n')
    return described(dict(content, rows=rows), rows_table(dict(rows=rows)))
