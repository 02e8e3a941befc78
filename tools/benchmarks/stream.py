"""Streams: the cost of a hop, memory over a day, events in a long video.

``hops`` measures a prediction of a full-size DualPath, with random weights,
beside the clip model's on the same frames, both from frames in memory to
scores, in CPU time and in turns. ``memory`` pushes many frames through the
quickstart's model and notes the resident memory. ``events`` renders twenty
motions of the quickstart in a row, finds the events, and compares the classes
of all frames with what was rendered; ``whole`` is the share of motions that
is right where a window is a whole one.
"""
import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import numpy as np
import torch
from mmaction.apis import init_recognizer
from mmengine.dataset import pseudo_collate
from rich.console import Console
from rich.progress import track

from data.measure_memory import resident
from mmdualpath.analysis.complexity import macs_of_call
from mmdualpath.analysis.provenance import PACKAGES, provenance
from mmdualpath.apis.events import EventFinder
from mmdualpath.apis.inference import FrameBuffer, frames_in
from mmdualpath.apis.live import Follower
from mmdualpath.apis.streaming import StreamingRecognizer, window_pipeline
from mmdualpath.apis.windows import segment
from mmdualpath.datasets.decoding import open_video
from .contestants import Contestant
from .tables import described, stream_table

CONFIG = 'dualpath_vitb_ssv2'
QUICKSTART = 'configs/dualpath_vit-mini_digits.py'
RELEASED = 'mmdualpath://dualpath_vit-mini_digits.pth'
CODE = ('mmdualpath/apis/streaming.py', 'mmdualpath/framesets.py')
ROOT = Path(__file__).parents[2]


def hops(args: argparse.Namespace) -> Dict[str, Any]:
    """What a hop costs, and the clip model."""
    contestant = Contestant(args.config)
    cfg = contestant.load()
    cfg.test_pipeline = cfg.val_pipeline  # one crop
    model = init_recognizer(cfg, device='cpu')
    pipeline = window_pipeline(cfg)
    window = StreamingRecognizer(model).window
    frames = np.random.default_rng(0).integers(0, 256,
                                               (4 * window, 240, 320, 3),
                                               np.uint8)

    def clip() -> None:
        inputs = dict(
            segment(0, window, 30.), video_reader=FrameBuffer(frames[:window]))
        with torch.no_grad():
            model.test_step(pseudo_collate([pipeline(inputs)]))

    def steady(hop: int) -> Tuple[StreamingRecognizer, Callable[[], None]]:
        recognizer = StreamingRecognizer(model, hop)
        turn = iter(np.tile(np.arange(len(frames)), 10**4))
        for _ in range(window - hop):
            recognizer.add(frames[next(turn)])

        def run() -> None:
            for _ in range(hop):
                recognizer.push(frames[next(turn)])

        for _ in range(3):  # at hop 1 every second window shares its frames
            run()
        return recognizer, run

    streams = {hop: steady(hop) for hop in args.hops}
    turns = dict(clip=clip, **{str(h): run for h, (_, run) in streams.items()})
    macs = {name: macs_of_call(run) for name, run in turns.items()}
    taken: Dict[str, List[float]] = defaultdict(list)
    for _ in track(range(args.rounds), console=Console(stderr=True)):
        for name, run in turns.items():
            before = time.process_time()
            run()
            taken[name].append(time.process_time() - before)
    images = list(model.data_preprocessor.images_of(window - 1).values())
    found = {
        name:
        dict(
            images=images if name == 'clip' else list(
                streams[int(name)][0].computed.values()),
            macs=macs[name],
            seconds=statistics.median(taken[name]),
            fewer=macs['clip'] / macs[name],
            # turn by turn, so that what slows a whole round cancels
            faster=statistics.median(
                c / t for c, t in zip(taken['clip'], taken[name])),
            samples=taken[name])
        for name in turns
    }
    return dict(
        depends=[*contestant.depends, *CODE],
        settings=dict(window=window, clock='cpu', rounds=args.rounds),
        hops=found)


def memory(args: argparse.Namespace) -> Dict[str, Any]:
    """Resident memory over many frames."""
    model = init_recognizer(QUICKSTART, RELEASED, device='cpu')
    recognizer = StreamingRecognizer(model, args.hops[0])
    pool = np.concatenate([f for _, f in motions(8, 32, 0)])
    every = max(args.frames // 20, 1)
    figures, most = [], 0
    for number in track(range(args.frames), console=Console(stderr=True)):
        recognizer.push(pool[number % len(pool)])
        most = max(most, recognizer.held)
        if (number + 1) % every == 0:
            figures.append((number + 1, resident()))
    settled = figures[max(len(figures) // 10, 1) - 1:]
    return dict(
        depends=[QUICKSTART, *CODE],
        settings=dict(frames=args.frames, hop=args.hops[0]),
        figures=figures,
        tensors=most,
        first=settled[0][1],
        last=settled[-1][1],
        most=max(m for _, m in settled),
        growth=settled[-1][1] - settled[0][1])


def motions(count: int, length: int,
            seed: int) -> Iterator[Tuple[int, List[np.ndarray]]]:
    """Classes and frames of motions of digits that no training video has."""
    from data import render_digits  # needs scikit-learn
    draw = np.random.default_rng(seed)
    names = sorted(render_digits.MOTIONS)
    labels = (ROOT / 'mmdualpath/released/labels.txt').read_text().split()
    for index in range(count):
        name = names[draw.integers(len(names))]
        yield labels.index(name), render_digits.render_frames(
            (seed + 7, index), name, render_digits.TEST_DIGITS, length, 64)


def events(args: argparse.Namespace) -> Dict[str, Any]:
    """How well the events of twenty motions in a row are found."""
    from sklearn.metrics import f1_score

    from data import render_digits
    model = init_recognizer(QUICKSTART, RELEASED, device='cpu')
    scores = []
    for seed in range(args.videos):
        parts = list(motions(args.motions, args.length, seed))
        truth = np.repeat([label for label, _ in parts], args.length)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'motions.mp4'
            render_digits.write_video(path, sum((f for _, f in parts), []))
            reader = open_video(path)
            fps = reader.get_avg_fps()
            recognizer = StreamingRecognizer(model, args.hops[0], args.window)
            finder = EventFinder(smooth=args.smooth)
            follower = Follower(recognizer, finder, fps)
            whole = StreamingRecognizer(model, args.length, args.length)
            found, best = [], []
            for number, frame in enumerate(frames_in(reader)):
                found += follower.update([(number, frame)]).events
                told = whole.push(frame)
                if told is not None:
                    best.append(int(told.argmax()))
            found += follower.finish().events
        told = np.full_like(truth, -1)
        for event in found:
            told[round(event.start * fps):round(event.end * fps)] = event.index
        classes = sorted(set(truth))
        scores.append(
            dict(
                events=len(found),
                whole=statistics.mean(
                    int(b == label) for b, (label, _) in zip(best, parts)),
                micro=f1_score(truth, told, labels=classes, average='micro'),
                macro=f1_score(truth, told, labels=classes, average='macro')))
    return dict(
        depends=[
            QUICKSTART, *CODE, 'mmdualpath/apis/events.py',
            'mmdualpath/apis/live.py', 'tools/data/render_digits.py'
        ],
        settings=dict(
            motions=args.motions,
            length=args.length,
            window=recognizer.window,
            hop=args.hops[0],
            smooth=args.smooth,
            videos=args.videos),
        scores=scores,
        mean={
            name: statistics.mean(s[name] for s in scores)
            for name in scores[0]
        })


MEASURES = dict(hops=hops, memory=memory, events=events)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``stream`` takes."""
    parser.add_argument('measure', choices=MEASURES)
    parser.add_argument('--config', default=CONFIG, help='of hops')
    parser.add_argument(
        '--hops',
        type=int,
        nargs='+',
        help='in frames, by default 1 2 4 8 16; the others take one, 2')
    parser.add_argument(
        '--rounds', type=int, default=15, help='turns of each hop')
    parser.add_argument(
        '--frames', type=int, default=100000, help='pushed for memory')
    parser.add_argument(
        '--motions', type=int, default=20, help='of a video of events')
    parser.add_argument(
        '--length', type=int, default=32, help='frames of a motion')
    parser.add_argument(
        '--window', type=int, help='frames, by default the shortest')
    parser.add_argument(
        '--smooth', type=float, default=0.5, help='seconds, of events')
    parser.add_argument(
        '--videos', type=int, default=5, help='videos of events')
    parser.add_argument('--out', type=Path, help='JSON file to write')


def main(args: argparse.Namespace) -> str:
    """Measure, and give the table or the figures."""
    args.hops = args.hops or ([1, 2, 4, 8, 16]
                              if args.measure == 'hops' else [2])
    found = MEASURES[args.measure](args)
    content = dict(
        provenance(
            f'python tools/benchmark.py {shlex.join(sys.argv[1:])}',
            found.pop('depends'),
            packages=PACKAGES), **found)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(content, indent=1))
    if args.measure == 'hops':
        return described(content, stream_table(content))
    return json.dumps({
        k: v
        for k, v in found.items() if k not in ('figures', 'settings')
    })
