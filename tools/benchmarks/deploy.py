"""One clip by every runtime.

Each contestant is exported and run on one clip of random frames, in turns, by
one thread; measured is the CPU time of the process, of which other processes
take nothing. Weights are random; no file of weights is read, and the ranges of
int8 come from random frames, so that only its time means something.
"""
import argparse
import json
import os
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict

import psutil
import torch

from mmdualpath.analysis.provenance import PACKAGES, provenance
from mmdualpath.deploy.export import (Deployable, quantize, random_frames,
                                      save, trace)
from mmdualpath.deploy.runtimes import ExportedGraph
from .contestants import CONTESTANTS, Entry
from .tables import described, rows_table

RUNS = ('eager fp32', 'compiled', 'eager bf16', 'ONNX Runtime',
        'OpenVINO fp32', 'OpenVINO bf16', 'OpenVINO int8')
FILES = [f'mmdualpath/deploy/{name}.py' for name in ('export', 'runtimes')]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``deploy`` takes."""
    parser.add_argument(
        'contestants',
        nargs='*',
        default=['DualPath B/16, 16 frames'],
        help='as those of models')
    parser.add_argument('--runs', nargs='+', choices=RUNS, default=RUNS)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--out', type=Path, help='JSON file to write')


def rows_of(name: str, runs: Any, repeats: int,
            folder: Path) -> Dict[str, Dict[str, float]]:
    """CPU seconds, start-up, size and memory of each way to run a model."""
    entry = Entry(CONTESTANTS[name], 'cpu', torch.float32, 'eager')
    network = Deployable(entry.model)
    shape = list(entry.shape)  # (M, 3, T, H, W) or (T, 3, H, W)
    frames = shape[-3] if len(shape) == 5 else shape[0]
    clip = random_frames(1, (frames, *shape[-2:]), 0)
    tensor = torch.from_numpy(clip)
    metadata = dict(frames=clip.shape[1:4], steps=[], labels=None)
    process = psutil.Process(os.getpid())
    program, ready, rows = None, {}, {}

    def of_torch(model: Callable, autocast: bool = False) -> Callable:

        def run() -> Any:
            with torch.inference_mode(), torch.autocast(
                    'cpu', torch.bfloat16, enabled=autocast):
                return model(tensor)

        return run

    for run in runs:
        row: Dict[str, float] = {}
        path, precision = None, 'fp32'
        if run.startswith(('ONNX', 'OpenVINO')):
            kind = 'onnx' if run.startswith('ONNX') else 'openvino'
            program = program or trace(network, metadata['frames'])
            path = folder / kind / ('model.onnx'
                                    if kind == 'onnx' else 'model.xml')
            if not path.exists():
                save(program, kind, folder / kind, metadata)
            if run.endswith('int8'):
                path = quantize(
                    path,
                    [random_frames(1, clip.shape[1:4], i)
                     for i in range(2)], metadata)
            precision = 'bf16' if run.endswith('bf16') else 'fp32'
            row['megabytes'] = 1e-6 * sum(
                f.stat().st_size for f in path.parent.iterdir() if f.is_file())
        memory, start = process.memory_info().rss, time.process_time()
        if path is not None:
            model = ExportedGraph(path, precision, threads=1)
            ready[run] = lambda model=model: model.run(clip)
        elif run == 'compiled':
            ready[run] = of_torch(torch.compile(network))
        else:
            ready[run] = of_torch(network, run.endswith('bf16'))
        ready[run]()
        row['start-up and first clip, s'] = time.process_time() - start
        row['memory more, MB'] = 1e-6 * (process.memory_info().rss - memory)
        rows[run] = row
    taken = {run: [] for run in ready}
    for _ in range(repeats):
        for run, call in ready.items():
            start = time.process_time()
            call()
            taken[run].append(time.process_time() - start)
    first = taken[next(iter(ready))]
    return {
        f'{name}: {run}': {
            'CPU s a clip': statistics.median(times),
            'times as fast': statistics.median(a / b
                                               for a, b in zip(first, times)),
            **rows[run]
        }
        for run, times in taken.items()
    }


def main(args: argparse.Namespace) -> str:
    """Measure, and give the table."""
    unknown = set(args.contestants) - set(CONTESTANTS)
    if unknown:
        raise ValueError(f'{", ".join(sorted(unknown))}: there are '
                         f'{"; ".join(CONTESTANTS)}.')
    torch.set_num_threads(1)
    content = dict(
        provenance(
            f'python tools/benchmark.py {shlex.join(sys.argv[1:])}', [
                *FILES, *sorted({
                    d
                    for n in args.contestants
                    for d in CONTESTANTS[n].depends
                })
            ],
            packages=(*PACKAGES, 'onnxruntime', 'openvino', 'nncf')),
        rows={})
    for name in args.contestants:
        with tempfile.TemporaryDirectory() as folder:
            content['rows'].update(
                rows_of(name, args.runs, args.repeats, Path(folder)))
        if args.out:
            args.out.parent.mkdir(parents=True, exist_ok=True)
            args.out.write_text(json.dumps(content, indent=1))
    return described(content, rows_table(content))
