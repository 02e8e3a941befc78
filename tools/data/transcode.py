"""Re-encode a folder of videos so that sampled frames decode fast.

    python tools/data/transcode.py data/sthv2/videos data/sthv2/videos_256
    python tools/data/transcode.py data/sthv2/videos data/sthv2/videos_jpeg \
        --format mjpeg

A decoder that wants one frame has to decode all since the last keyframe.
Every video is scaled to a short side and encoded for reading: as H.264 with a
keyframe every few frames and without what is slow to decode (arithmetic
coding, deblocking, frames that refer to later ones), or as Motion JPEG, in
which each frame stands by itself and needs more space. Sound is left out. The
number of frames stays the same, so sampling and annotation files fit as they
are, but for the ending ``.mp4``.

Ten of the videos come first, and what they cost to read before and after tells
what to expect of all: clips/s of a core, bytes and the time it will take.
Every output is decoded as a check before it gets its name, so what is there is
whole: the same command goes on where it stopped. Videos that fail are named
and listed in ``failed.txt`` of the output folder.
"""
import argparse
import json
import os
import statistics
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import av
import numpy as np
from rich.progress import track

from mmdualpath.datasets.reader import VideoReader
from mmdualpath.datasets.transcoding import transcode

ENDINGS = ('.mp4', '.webm', '.avi', '.mkv', '.mov', '.m4v', '.mpg', '.mpeg')
Job = Tuple[Path, Path]  # a video and the file that it becomes


def attempt(job: Job, settings: Dict[str, Any]) -> Optional[str]:
    """Transcode one video; what went wrong, if anything."""
    try:
        transcode(*job, settings)
    except (ValueError, OSError, av.error.FFmpegError) as error:
        return f'{job[0]}: {error}'
    return None


def jobs_of(source: Path, target: Path) -> List[Job]:
    """Videos of a folder and the files they become.

    Raises:
        ValueError: If there are none, or two would become one file.
    """
    found = sorted(p for p in source.rglob('*') if p.suffix.lower() in ENDINGS)
    jobs = [(p, (target / p.relative_to(source)).with_suffix('.mp4'))
            for p in found]
    if not jobs:
        raise ValueError(f'There are no videos in {source}: looked for '
                         f'{", ".join(ENDINGS)}.')
    names = [new for _, new in jobs]
    twice = sorted({str(n) for n in names if names.count(n) > 1}) \
        if len(set(names)) < len(names) else []
    if twice:
        raise ValueError('Videos that differ in their ending alone would '
                         f'become one file: {", ".join(twice[:5])}.')
    return jobs


def check_settings(target: Path, settings: Dict[str, Any]) -> None:
    """Note how a folder is made, or compare with what is noted.

    Raises:
        ValueError: If it was made in another way.
    """
    note = target / 'settings.json'
    known = json.loads(note.read_text()) if note.is_file() else settings
    if known != settings:
        raise ValueError(f'{target} was begun with {known}, now it is '
                         f'{settings}: give another folder.')
    target.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(settings))


def decode_time(path: Path, frames: int = 16, repeats: int = 3) -> float:
    """Milliseconds of CPU time that frames of a video take.

    CPU time, not the clock's: one worker process decodes one video, and what
    else the machine does is left out.
    """
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        reader = VideoReader(path)
        reader.get_batch(np.linspace(0, len(reader) - 1, frames).astype(int))
        taken.append(1e3 * (time.process_time() - start))
    return min(taken)


def size_of(paths: Sequence[Path]) -> float:
    """Size of files in MB."""
    return sum(path.stat().st_size for path in paths) / 1e6


def run(jobs: Sequence[Job], settings: Dict[str, Any], workers: int,
        label: str) -> List[str]:
    """Transcode videos, and show how far it is; those that failed."""
    work = partial(attempt, settings=settings)
    if workers == 1:
        done = map(work, jobs)
        return list(filter(None, track(done, label, len(jobs))))
    with get_context('fork').Pool(workers) as pool:
        done = pool.imap_unordered(work, jobs)
        return list(filter(None, track(done, label, len(jobs))))


def predict(sample: Sequence[Job], jobs: Sequence[Job], due: int,
            seconds: float) -> None:
    """Print what some videos tell about all.

    Args:
        sample: Videos that are done.
        jobs: All videos.
        due: How many are still to be done.
        seconds: The time that a video took.
    """
    times = [[decode_time(path) for path in job] for job in sample]
    for job, (before, after) in zip(sample, times):
        print(f'{job[0].name}: {before:.1f} -> {after:.1f} ms, '
              f'{before / after:.1f} times as fast; '
              f'{size_of(job[1:]) / size_of(job[:1]):.2f} times the bytes')
    before, after = map(statistics.mean, zip(*times))
    sizes = [size_of(side) for side in zip(*sample)]
    ratio = sizes[1] / sizes[0]
    total = size_of([job[0] for job in jobs])
    print(f'16 frames of {len(sample)} videos, measured: {before:.1f} -> '
          f'{after:.1f} ms in the mean, {before / after:.1f} times as fast; '
          f'{ratio:.2f} times the bytes')
    print(f'All {len(jobs)} videos, predicted from these: '
          f'{1e3 / before:.1f} -> {1e3 / after:.1f} clips/s to decode on a '
          f'core, {total:.3g} -> {total * ratio:.3g} MB, '
          f'{due * seconds / 60:.0f} min to go')


def main(args: Optional[Sequence[str]] = None) -> int:
    """Re-encode a folder; gives the number of videos that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path)
    parser.add_argument('target', type=Path)
    parser.add_argument('--format', choices=('h264', 'mjpeg'), default='h264')
    parser.add_argument('--short-side', type=int, default=256)
    parser.add_argument(
        '--keyframes',
        type=int,
        default=4,
        help='distance in H.264, in frames; 1 for keyframes alone')
    parser.add_argument(
        '--quality',
        type=int,
        help='the lower, the better: of H.264 (crf) 0 to 51, by default 23; '
        'of JPEG 2 to 31, by default 4')
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    parser.add_argument(
        '--samples',
        type=int,
        default=10,
        help='videos that come first and are timed')
    args = parser.parse_args(args)
    if args.short_side < 2 or args.keyframes < 1 or args.workers < 1:
        parser.error('--short-side, --keyframes and --workers are positive')
    if args.target.resolve() == args.source.resolve():
        parser.error('the target is the source: give another folder')
    jpeg = args.format == 'mjpeg'
    if args.quality is None:
        args.quality = 4 if jpeg else 23
    low, high = (2, 31) if jpeg else (0, 51)
    if not low <= args.quality <= high:
        parser.error(f'--quality of {args.format} is {low} to {high}')

    jobs = jobs_of(args.source, args.target)
    settings = dict(
        format=args.format,
        short_side=args.short_side,
        keyframes=1 if jpeg else args.keyframes,
        quality=args.quality)
    check_settings(args.target, settings)
    due = [job for job in jobs if not job[1].exists()]
    step = max(1, len(due) // max(1, args.samples))
    first = due[::step][:args.samples]
    start = time.perf_counter()
    failed = run(first, settings, args.workers, 'Samples') if first else []
    seconds = (time.perf_counter() - start) / max(1, len(first))
    sample = [job for job in first if job[1].exists()]
    rest = [job for job in due if job not in set(first)]
    if sample:
        predict(sample, jobs, len(rest), seconds)
    if rest:
        failed += run(rest, settings, args.workers,
                      f'{len(jobs) - len(rest)} of {len(jobs)} are there')
    for line in sorted(failed):
        print(line)
    (args.target / 'failed.txt').write_text('\n'.join(sorted(failed)))
    whole = [job for job in jobs if job[1].exists()]
    if whole:
        before, after = (size_of(side) for side in zip(*whole))
        print(f'{len(whole)} of {len(jobs)} videos are there: '
              f'{before:.3g} -> {after:.3g} MB')
    return len(failed)


if __name__ == '__main__':
    raise SystemExit(1 if main() else 0)
