"""Many short videos together, beside one after the other.

Rendered videos are predicted by ``VideoInferencer.predict``, each by itself,
and by ``predict_all``, in turns. CPU time is that of all processes.
"""
import argparse
import json
import resource
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict

import torch
from rich.console import Console
from rich.progress import track

from data.render_digits import TEST_DIGITS, render_video
from mmdualpath.analysis.provenance import provenance
from mmdualpath.apis.inference import VideoInferencer
from .tables import described, predict_table

CODE = tuple(f'mmdualpath/{name}.py'
             for name in ('apis/windows', 'apis/inference'))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``predict`` takes."""
    parser.add_argument('config', help='relative to the checkout')
    parser.add_argument('checkpoint')
    parser.add_argument('--videos', type=int, default=100)
    parser.add_argument('--frames', type=int, default=32, help='of a video')
    parser.add_argument('--pixels', type=int, default=112)
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--device')
    parser.add_argument('--out', type=Path, help='JSON file to write')


def spent() -> float:
    """CPU seconds of this process and of those that have ended."""
    return sum(
        getattr(resource.getrusage(who), kind)
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        for kind in ('ru_utime', 'ru_stime'))


def main(args: argparse.Namespace) -> str:
    """Measure, and give the table."""
    inferencer = VideoInferencer(args.config, args.checkpoint, args.device)
    rows: Dict[str, Dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(args.videos):
            render_video(index, Path(folder), 1, TEST_DIGITS, args.frames,
                         args.pixels)
        videos = [str(p) for p in sorted(Path(folder).iterdir())]
        ways: Dict[str, Callable[[], Any]] = {
            'one after the other':
            lambda: [inferencer.predict(video) for video in videos],
            'together':
            lambda: list(
                inferencer.predict_all(
                    videos,
                    batch_size=args.batch_size,
                    num_workers=args.workers))
        }
        for way in track([*ways] * args.rounds, console=Console(stderr=True)):
            wall, cpu = time.perf_counter(), spent()
            ways[way]()
            row = rows.setdefault(way, dict(wall=[], cpu=[]))
            row['wall'].append(time.perf_counter() - wall)
            row['cpu'].append(spent() - cpu)
    for row in rows.values():
        row['rate'] = args.videos / statistics.median(row['wall'])
    content = dict(
        provenance(
            f'python tools/benchmark.py {shlex.join(sys.argv[1:])}',
            [f'{args.config}#network', *CODE],
            'cuda' if next(inferencer.model.parameters()).is_cuda else 'cpu'),
        settings=dict(
            threads=torch.get_num_threads(),
            count=args.videos,
            frames=args.frames,
            pixels=args.pixels,
            batch=args.batch_size,
            workers=args.workers,
            rounds=args.rounds),
        predict=rows)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=1))
    return described(content, predict_table(content))
