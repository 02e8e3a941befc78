"""Re-encode a folder of videos so that sampled frames decode fast.

    python tools/data/transcode.py data/sthv2/videos data/sthv2/videos_256

A decoder that wants one frame has to decode all since the last keyframe.
Every video is scaled to a short side, gets a keyframe every few frames and is
encoded as H.264 without what is slow to decode (arithmetic coding, deblocking,
frames that refer to later ones). Sound is left out. The number of frames stays
the same, so sampling and annotation files fit as they are, but for the ending
``.mp4``.

Every output is decoded as a check before it gets its name, so what is there is
whole: the same command goes on where it stopped. Videos that fail are named
and listed in ``failed.txt`` of the output folder. In the end the CPU
time to decode 16 frames, before and after, is measured on some videos.
"""
import argparse
import os
import statistics
import time
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

import av
import decord
import numpy as np
from rich.progress import track


def target_size(width: int, height: int, short_side: int) -> Tuple[int, int]:
    """Even width and height with the given short side, never enlarged."""
    scale = min(1., short_side / min(width, height))
    return tuple(2 * max(1, round(side * scale / 2))
                 for side in (width, height))


def frames_of(path: Path) -> Iterator[av.VideoFrame]:
    """All frames of a video.

    Raises:
        ValueError: If it has no video, or is stored turned.
    """
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise ValueError('there is no video in it')
        stream = container.streams.video[0]
        stream.thread_type = 'NONE'  # one video a process is faster
        for frame in container.decode(stream):
            if getattr(frame, 'rotation', 0):
                raise ValueError(f'it is stored turned by {frame.rotation} '
                                 'degrees, which would be lost')
            yield frame


def count_frames(path: Path) -> int:
    """Frames that can be decoded."""
    return sum(1 for _ in frames_of(path))


def rate_of(path: Path) -> Fraction:
    """Mean frames per second, 25 where the file does not tell."""
    with av.open(str(path)) as container:
        stream = container.streams.video[:1]
        return stream and stream[0].average_rate or Fraction(25)


def transcode(source: Path, target: Path, short_side: int, keyframes: int,
              crf: int) -> None:
    """Re-encode one video and check the result.

    Args:
        source: The video.
        target: Its new file, which appears only once it is whole.
        short_side: Pixels of the shorter side.
        keyframes: Every how many frames there is a keyframe.
        crf: Quality of H.264, 0 to 51, lower is better.

    Raises:
        ValueError: If the video cannot be read to its end, or the result has
            another number of frames.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix('.part')
    count = 0
    try:
        rate = rate_of(source)
        with av.open(str(draft), 'w', format='mp4') as container:
            stream = None
            for frame in frames_of(source):
                if stream is None:
                    stream = container.add_stream('libx264', rate=rate)
                    stream.width, stream.height = target_size(
                        frame.width, frame.height, short_side)
                    stream.pix_fmt = 'yuv420p'
                    stream.gop_size = keyframes
                    stream.codec_context.thread_count = 1
                    stream.options = {
                        'crf': str(crf),
                        'tune': 'fastdecode',
                        'bf': '0',
                        'refs': '1',
                        'keyint_min': str(keyframes),
                        'sc_threshold': '0'
                    }
                frame = frame.reformat(
                    stream.width,
                    stream.height,
                    'yuv420p',
                    interpolation='AREA')
                frame.pict_type = av.video.frame.PictureType.NONE
                frame.pts = count
                frame.time_base = 1 / rate
                container.mux(stream.encode(frame))
                count += 1
            if stream is None:
                raise ValueError('it has no frames')
            container.mux(stream.encode())
        found = count_frames(draft)
        if found != count:
            raise ValueError(f'{count} frames went in, {found} came out')
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def attempt(job: Tuple[Path, Path], **options) -> Optional[str]:
    """Transcode one video; what went wrong, if anything."""
    try:
        transcode(*job, **options)
    except (ValueError, OSError, av.error.FFmpegError) as error:
        return f'{job[0]}: {error}'
    return None


def jobs_of(source: Path, target: Path) -> List[Tuple[Path, Path]]:
    """Videos of a folder and the files they become.

    Raises:
        ValueError: If there are none, or two would become one file.
    """
    # Imported here: the processes that transcode do without.
    from mmdualpath.datasets.video_files import videos_in
    jobs = [(p, (target / p.relative_to(source)).with_suffix('.mp4'))
            for p in videos_in(source)]
    names = [new for _, new in jobs]
    twice = sorted({str(n) for n in names if names.count(n) > 1}) \
        if len(set(names)) < len(names) else []
    if twice:
        raise ValueError('Videos that differ in their ending alone would '
                         f'become one file: {", ".join(twice[:5])}.')
    return jobs


def decode_time(path: Path, frames: int = 16, repeats: int = 3) -> float:
    """Milliseconds of CPU time that decord takes for frames of a video.

    CPU time, not the clock's: one worker process decodes one video, and what
    else the machine does is left out.
    """
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        reader = decord.VideoReader(str(path), num_threads=1)
        wanted = np.linspace(0, len(reader) - 1, frames).astype(int)
        reader.get_batch(wanted)
        taken.append(1e3 * (time.process_time() - start))
    return min(taken)


def report(jobs: Sequence[Tuple[Path, Path]], number: int) -> None:
    """Print decoding times and sizes of some videos, before and after."""
    chosen = jobs[::max(1, len(jobs) // number)][:number]
    times = [[decode_time(path) for path in job] for job in chosen]
    for job, (before, after) in zip(chosen, times):
        print(f'{job[0].name}: {before:.1f} -> {after:.1f} ms, '
              f'{before / after:.1f} times as fast; '
              f'{bytes_ratio([job]):.2f} times the bytes')
    before, after = map(statistics.mean, zip(*times))
    print(f'16 frames of {len(chosen)} videos: {before:.1f} -> {after:.1f} ms '
          f'in the mean, {before / after:.1f} times as fast; '
          f'{bytes_ratio(jobs):.2f} times the bytes')


def bytes_ratio(jobs: Sequence[Tuple[Path, Path]]) -> float:
    """Size of the outputs over that of the inputs."""
    before, after = (
        sum(path.stat().st_size for path in side) for side in zip(*jobs))
    return after / before


def main(args: Optional[Sequence[str]] = None) -> int:
    """Re-encode a folder; gives the number of videos that failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path)
    parser.add_argument('target', type=Path)
    parser.add_argument('--short-side', type=int, default=256)
    parser.add_argument(
        '--keyframes', type=int, default=4, help='distance, in frames')
    parser.add_argument('--crf', type=int, default=23, help='0 is the best')
    parser.add_argument('--workers', type=int, default=os.cpu_count())
    parser.add_argument(
        '--measure', type=int, default=8, help='videos to time in the end')
    args = parser.parse_args(args)
    if args.short_side < 2 or args.keyframes < 1 or args.workers < 1:
        parser.error('--short-side, --keyframes and --workers are positive')
    if args.target.resolve() == args.source.resolve():
        parser.error('the target is the source: give another folder')

    jobs = jobs_of(args.source, args.target)
    due = [job for job in jobs if not job[1].exists()]
    work = partial(
        attempt,
        short_side=args.short_side,
        keyframes=args.keyframes,
        crf=args.crf)
    with ExitStack() as stack:
        if args.workers == 1:
            done = map(work, due)
        else:
            pool = stack.enter_context(get_context('spawn').Pool(args.workers))
            done = pool.imap_unordered(work, due)
        failed = sorted(
            filter(
                None,
                track(
                    done,
                    f'{len(jobs) - len(due)} of {len(jobs)} are there',
                    total=len(due))))
    print('\n'.join(failed))
    args.target.mkdir(parents=True, exist_ok=True)
    listed = args.target / 'failed.txt'
    listed.write_text('\n'.join(failed))
    whole = [job for job in jobs if job[1].exists()]
    if whole and args.measure:
        report(whole, args.measure)
    return len(failed)


if __name__ == '__main__':
    from mmdualpath.apis.programs import program
    with program():
        raise SystemExit(main() > 0)
