"""Render videos of handwritten digits whose class is their motion.

Writes H.264 videos with MMAction2 annotation files, and still images of
digits, by class, for pretraining an image model:

    python tools/data/render_digits.py data/digits

A digit moves left or right, up or down, turns clockwise or counter-clockwise
over the top of a circle, grows or shrinks over a textured background. The
second motion of each pair is the first one run backwards, with places, sizes,
digits and backgrounds drawn alike, so that neither a single frame nor an
unordered set of frames tells the two apart: without the order of time at most
half of the videos can be told.

The digits are scikit-learn's; those of the test videos occur nowhere else.
With ``--shift`` the test videos also move at speeds and over backgrounds that
no training video has.

Three annotation files label the same videos: ``train.txt`` by the motion,
``train_appearance.txt`` by the digit, ``train_both.txt`` by the motion and
whether the digit is below 5; so for ``test``.
"""
import argparse
import functools
from multiprocessing import Pool
from pathlib import Path
from typing import Callable, List, Optional, Tuple

import av
import cv2
import numpy as np
from rich.progress import track
from sklearn.datasets import load_digits

MOTIONS = ('left', 'right', 'up', 'down', 'clockwise', 'counter-clockwise',
           'growing', 'shrinking')
TRAIN_DIGITS = slice(0, 1400)
TEST_DIGITS = slice(1400, None)


@functools.lru_cache(maxsize=1)
def digits() -> Tuple[np.ndarray, np.ndarray]:
    """Images ``(1797, 8, 8)`` in [0, 1] and their digits."""
    bunch = load_digits()
    return bunch.images.astype(np.float32) / 16, bunch.target


def texture(rng: np.random.Generator,
            size: int,
            shift: bool = False) -> np.ndarray:
    """A smooth random colour texture ``(size, size, 3)`` in [0, 0.45].

    Args:
        rng: What is drawn from.
        size: Height and width.
        shift: Whether its structures have other sizes.
    """
    image = np.zeros((size, size, 3), np.float32)
    coarse, fine = (5, 12) if shift else (3, 8)
    for cells, weight in ((coarse, 0.6), (fine, 0.3), (size // 2, 0.1)):
        noise = rng.random((cells, cells, 3), np.float32)
        image += weight * cv2.resize(
            noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 1) * 0.45


def paste(background: np.ndarray, glyph: np.ndarray, colour: np.ndarray,
          centre: Tuple[float, float], extent: float) -> np.ndarray:
    """Draw a glyph of ``extent`` pixels at ``centre`` (x, y); uint8."""
    size = len(background)
    zoom = extent / len(glyph)
    # Pixel centres lie at half-integers on both sides of the map.
    shift = [c - extent / 2 + 0.5 * zoom - 0.5 for c in centre]
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float32)
    alpha = cv2.warpAffine(
        glyph, matrix, (size, size), flags=cv2.INTER_LINEAR)[..., None]
    image = background * (1 - alpha) + colour * alpha
    return np.clip(image * 255, 0, 255).astype(np.uint8)


def draw(rng: np.random.Generator, low: float, high: float,
         outside: bool) -> float:
    """A number between two bounds, or beyond them by up to half their gap."""
    value, reach = rng.uniform(low, high), (high - low) / 2
    if not outside:
        return value
    return value - reach if value < low + reach else value + reach


def trajectory(rng: np.random.Generator,
               motion: str,
               length: int,
               size: int,
               shift: bool = False) -> List[Tuple[float, float, float]]:
    """Centre x, y and extent of the digit in every frame.

    Args:
        rng: What is drawn from.
        motion: One of ``MOTIONS``.
        length: Frames.
        size: Pixels of a frame.
        shift: Whether the digit is slower or faster than otherwise ever.

    Raises:
        ValueError: If there is no such motion.
    """
    time = np.linspace(0, 1, length)
    extent = np.full(length, size * rng.uniform(0.34, 0.46))
    x, y = (np.full(length, size * rng.uniform(0.35, 0.65)) for _ in 'xy')
    travel = size * draw(rng, 0.35, 0.55, shift)
    if motion in ('left', 'right'):
        x = x + travel * (time - 0.5)
    elif motion in ('up', 'down'):
        y = y + travel * (time - 0.5)
    elif motion in ('clockwise', 'counter-clockwise'):
        # an arc over the top
        middle = np.pi * (rng.uniform(-1, 1) / 3 - 0.5)
        turn = 2 * np.pi * draw(rng, 0.4, 0.6, shift)
        angle = middle + turn * (time - 0.5)
        radius = size * rng.uniform(0.24, 0.32)
        # y points down, so a growing angle turns clockwise
        x, y = x + radius * np.cos(angle), y + radius * np.sin(angle)
    elif motion in ('growing', 'shrinking'):
        start = rng.uniform(0.2, 0.28)
        extent = size * (start + draw(rng, 0.3, 0.4, shift) * time)
    else:
        raise ValueError(f'motion={motion!r} is none of {MOTIONS}.')
    path = list(zip(x, y, extent))
    backwards = motion in ('left', 'up', 'counter-clockwise', 'shrinking')
    return path[::-1] if backwards else path


def draw_digit(rng: np.random.Generator,
               pool: slice) -> Tuple[np.ndarray, int]:
    """An image of a digit, and the digit."""
    glyphs, targets = (a[pool] for a in digits())
    number = rng.integers(len(glyphs))
    return glyphs[number], int(targets[number])


def render_frames(seed: Tuple[int, int],
                  motion: str,
                  pool: slice,
                  length: int,
                  size: int,
                  shift: bool = False) -> List[np.ndarray]:
    """All frames of a video, ``(size, size, 3)`` uint8 RGB."""
    rng = np.random.default_rng(seed)
    glyph, _ = draw_digit(rng, pool)
    background = texture(rng, size, shift)
    colour = rng.uniform(0.75, 1., 3).astype(np.float32)
    return [
        paste(background, glyph, colour, (x, y), extent)
        for x, y, extent in trajectory(rng, motion, length, size, shift)
    ]


def write_video(path: Path, frames: List[np.ndarray], fps: int = 12) -> None:
    """Encode frames as H.264 in mp4."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = 'yuv420p'
        stream.options = {'crf': '18', 'preset': 'veryfast', 'threads': '1'}
        for frame in frames:
            image = av.VideoFrame.from_ndarray(frame, format='rgb24')
            container.mux(stream.encode(image))
        container.mux(stream.encode())


def render_video(index: int,
                 folder: Path,
                 split: int,
                 pool: slice,
                 length: int,
                 size: int,
                 shift: bool = False) -> None:
    """Render video number ``index`` of a split."""
    path = folder / f'{index:05d}.mp4'
    motion = MOTIONS[index % len(MOTIONS)]
    write_video(
        path, render_frames((split, index), motion, pool, length, size, shift))


def write_annotations(root: Path, name: str, split: int, pool: slice,
                      count: int) -> None:
    """Label the videos of a split for every task; by motion last."""
    motion = [i % len(MOTIONS) for i in range(count)]
    digit = [
        draw_digit(np.random.default_rng((split, i)), pool)[1]
        for i in range(count)
    ]
    both = [2 * m + (d < 5) for m, d in zip(motion, digit)]
    for task, labels in (('_appearance', digit), ('_both', both), ('',
                                                                   motion)):
        (root / f'{name}{task}.txt').write_text(''.join(
            f'{i:05d}.mp4 {label}\n' for i, label in enumerate(labels)))


def render_image(index: int, folder: Path, split: int, pool: slice,
                 size: int) -> None:
    """Render still image number ``index`` into the folder of its digit."""
    rng = np.random.default_rng((split, index))
    glyph, target = draw_digit(rng, pool)
    image = paste(
        texture(rng, size), glyph,
        rng.uniform(0.75, 1., 3).astype(np.float32),
        tuple(size * rng.uniform(0.35, 0.65, 2)),
        size * rng.uniform(0.35, 0.75))
    path = folder / str(target) / f'{index:05d}.png'
    cv2.imwrite(str(path), image[..., ::-1])


def run(pool: Pool, job: Callable[[int], None], count: int, what: str) -> None:
    """Do a job for every index, with a progress bar."""
    done = pool.imap_unordered(job, range(count), chunksize=16)
    for _ in track(done, total=count, description=f'{what:<14}'):
        pass


def main(args: Optional[List[str]] = None) -> None:
    """Render all splits that are not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('root', type=Path, help='folder to write')
    parser.add_argument('--train-videos', type=int, default=6000)
    parser.add_argument('--test-videos', type=int, default=800)
    parser.add_argument('--images', type=int, default=16000)
    parser.add_argument('--length', type=int, default=16, help='frames')
    parser.add_argument('--size', type=int, default=64, help='pixels')
    parser.add_argument(
        '--shift',
        action='store_true',
        help='other speeds and backgrounds in the test videos')
    parser.add_argument('--processes', type=int, default=2)
    args = parser.parse_args(args)

    videos = (('train', 0, TRAIN_DIGITS, args.train_videos),
              ('test', 1, TEST_DIGITS, args.test_videos))
    images = (('images/train', 2, TRAIN_DIGITS, args.images),
              ('images/test', 3, TEST_DIGITS, args.images // 20))
    with Pool(args.processes) as pool:
        for name, split, part, count in videos:
            folder, annotation = args.root / name, args.root / f'{name}.txt'
            if annotation.exists():
                print(f'{folder} is there already.')
                continue
            folder.mkdir(parents=True, exist_ok=True)
            job = functools.partial(
                render_video,
                folder=folder,
                split=split,
                pool=part,
                length=args.length,
                size=args.size,
                shift=args.shift and name == 'test')
            run(pool, job, count, f'{name} videos')
            # A split with its annotation files is complete.
            write_annotations(args.root, name, split, part, count)
        for name, split, part, count in images:
            folder, marker = args.root / name, args.root / f'{name}.done'
            if marker.exists():
                print(f'{folder} is there already.')
                continue
            for digit in range(10):
                (folder / str(digit)).mkdir(parents=True, exist_ok=True)
            job = functools.partial(
                render_image,
                folder=folder,
                split=split,
                pool=part,
                size=args.size)
            run(pool, job, count, f'{name[7:]} images')
            marker.touch()
    both = [
        f'{motion}, {half}' for motion in MOTIONS
        for half in ('5 to 9', '0 to 4')
    ]
    for task, labels in (('', MOTIONS), ('_appearance', map(str, range(10))),
                         ('_both', both)):
        (args.root / f'labels{task}.txt').write_text('\n'.join(labels) + '\n')


if __name__ == '__main__':
    main()
