"""Each step of a config's training and test pipelines, in CPU time.

It is the CPU time of a worker process, whatever else the machine does.
"""
import argparse
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Dict

import decord
import torch
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, init_default_scope

from .tables import as_table

DECODING = ('DecordInit', 'SampleFrames', 'UniformSample', 'DecordDecode')


def pipeline_times(cfg: Config, split: str, video: str,
                   repeats: int) -> Dict[str, float]:
    """Mean milliseconds of CPU time of each step of a pipeline."""
    times = defaultdict(list)
    steps = [(step.type, TRANSFORMS.build(step))
             for step in cfg[f'{split}_dataloader'].dataset.pipeline]
    for repeat in range(repeats + 1):
        results = dict(filename=video, label=0, start_index=0, modality='RGB')
        spent = defaultdict(float)
        for name, step in steps:
            start = time.process_time()
            results = step(results)
            spent[name] += time.process_time() - start
        if repeat:  # the first reads the file from disk
            for name, value in spent.items():
                times[name].append(1e3 * value)
    return {name: statistics.mean(taken) for name, taken in times.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``pipeline`` takes."""
    parser.add_argument('config')
    parser.add_argument('videos', nargs='+')
    parser.add_argument('--repeats', type=int, default=5)


def main(args: argparse.Namespace) -> str:
    """Time the pipelines on each video, and give the table."""
    cfg = Config.fromfile(args.config)
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    torch.set_num_threads(1)
    header = [
        'video', 'frames', 'pipeline', 'decoding, ms', 'the rest, ms', 'share',
        'clips/s a core', 'steps of the rest, ms'
    ]
    rows = [header, ['---'] * len(header)]
    for video in args.videos:
        reader = decord.VideoReader(video)
        height, width = reader[0].shape[:2]
        for split in ('train', 'test'):
            spent = pipeline_times(cfg, split, video, args.repeats)
            decoding = sum(spent.pop(name, 0.) for name in DECODING)
            rest = sum(spent.values())
            rows.append([
                Path(video).name, f'{len(reader)} of {width}x{height}', split,
                f'{decoding:.1f}', f'{rest:.1f}', f'{rest / decoding:.0%}',
                f'{1e3 / (decoding + rest):.1f}',
                ', '.join(f'{k} {v:.1f}' for k, v in spent.items())
            ])
    return as_table(rows)
