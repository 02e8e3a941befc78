"""Each step of a config's training and test pipelines, in CPU time.

It is the CPU time of a worker process, whatever else the machine does.
Decoders take turns on the same frames, whose pixels are compared.
"""
import argparse
import json
import shlex
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Sequence

import av
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track

from mmdualpath.analysis.pipelines import time_pipelines, with_decoder
from mmdualpath.analysis.provenance import PACKAGES, ROOT, provenance
from mmdualpath.datasets.decoding import DECODERS, choose_decoder
from mmdualpath.datasets.transcoding import frames_of, rate_of, transcode
from .tables import described, pipeline_table

# The code that a clip passes.
READING = tuple(f'mmdualpath/{name}.py'
                for name in ('datasets/reader', 'datasets/transforms/video',
                             'datasets/transforms/clip_augment',
                             'augmentation'))
# What ``--also`` makes of a video first, to see other codecs.
RENDERINGS: Dict[str, Dict[str, Any]] = {
    'vp9': dict(codec='libvpx-vp9', ending='.webm', cpu_used='5', crf='30'),
    'hevc': dict(codec='libx265', ending='.mp4', crf='28'),
    'h264': dict(format='h264', short_side=256, keyframes=4, quality=23),
    'h264-intra': dict(format='h264', short_side=256, keyframes=1, quality=23),
    'mjpeg': dict(format='mjpeg', short_side=256, keyframes=1, quality=4),
}


def render(video: Path, name: str, folder: Path) -> Path:
    """One of ``RENDERINGS`` of a video."""
    options = dict(RENDERINGS[name])
    if 'format' in options:  # as tools/data/transcode.py
        target = folder / f'{name}.mp4'
        transcode(video, target, options)
        return target
    codec = options.pop('codec')
    target = (folder / name).with_suffix(options.pop('ending'))
    if codec == 'libx265':
        options['x265-params'] = 'log-level=none'
    options = {k.replace('_', '-'): v for k, v in options.items()}
    rate = rate_of(video)
    with av.open(str(target), 'w') as container:
        stream = None
        for number, frame in enumerate(frames_of(video)):
            if stream is None:
                stream = container.add_stream(codec, rate, options)
                stream.width, stream.height = frame.width, frame.height
                stream.pix_fmt = 'yuv420p'
            frame = frame.reformat(format='yuv420p')
            frame.pict_type = av.video.frame.PictureType.NONE
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target


def measure_pipelines(cfg: Config, video: Path, decoders: Sequence[str],
                      num_threads: int, repeats: int) -> Dict[str, Any]:
    """What the pipelines of a config take on a video, for the JSON file."""
    row: Dict[str, Any] = dict(bytes=video.stat().st_size)
    for split in ('train', 'test'):
        steps = cfg[f'{split}_dataloader'].dataset.pipeline
        times = time_pipelines(
            {
                name: with_decoder(
                    steps, decoder=name, num_threads=num_threads)
                for name in decoders
            }, str(video), repeats)
        first = times[decoders[0]]
        row.update(frames=first.frames, shape=first.shape)
        row[split] = dict(
            decoding={
                name: t.decoding
                for name, t in times.items()
            },
            difference=max(t.difference for t in times.values()),
            steps={
                step: statistics.mean(t.steps[step] for t in times.values())
                for step in first.steps
            })
    return row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``pipeline`` takes."""
    parser.add_argument('config')
    parser.add_argument('videos', nargs='+', type=Path)
    parser.add_argument(
        '--decoders',
        nargs='+',
        choices=('auto', *DECODERS),
        default=['auto'],
        help='compared in turns, the last one being the yardstick')
    parser.add_argument(
        '--also',
        nargs='+',
        choices=RENDERINGS,
        default=[],
        help='encode the videos in other ways, and measure these too')
    parser.add_argument(
        '--num-threads', type=int, default=1, help='that decode a video')
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--out', type=Path, help='JSON file to write')


def main(args: argparse.Namespace) -> str:
    """Time the pipelines on each video, and give the table."""
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    torch.set_num_threads(1)
    decoders = [choose_decoder(name) for name in args.decoders]
    config = Path(args.config).resolve()
    pipelines = [
        f'{config.relative_to(ROOT)}#{split}_pipeline'
        for split in ('train', 'test')
    ] if ROOT in config.parents else []
    content = dict(
        provenance(
            f'python tools/benchmark.py {shlex.join(sys.argv[1:])}',
            [*pipelines, *READING],
            packages=(*PACKAGES, 'torchvision', *(DECODERS[name][0]
                                                  for name in decoders))),
        settings=dict(
            decoders=decoders,
            num_threads=args.num_threads,
            repeats=args.repeats),
        videos={})
    with tempfile.TemporaryDirectory() as folder:
        work = [(video, kind) for kind in [None, *args.also]
                for video in args.videos]
        for video, kind in track(work, console=Console(stderr=True)):
            path = render(video, kind, Path(folder)) if kind else video
            name = f'{video.name}, as {kind}' if kind else video.name
            content['videos'][name] = measure_pipelines(
                cfg, path, decoders, args.num_threads, args.repeats)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=1))
    return described(content, pipeline_table(content))
