"""Say what limits a training on some videos: reading them, or the model.

    python tools/plan.py configs/dualpath_vitb_ssv2.py data/sthv2/videos
    python tools/plan.py configs/dualpath_vitb_k400.py data/k400/videos \\
        --step 0.11 --gpus 8 --cores 96

Ten of the videos are read and transformed as the config says, three of them
also after re-encoding, and the model makes a few training steps on what comes
out, with random weights, on the GPU if there is one. ``--step`` gives the time
of a step on another machine instead. Nothing is left on disk. In front of each
figure stands where it is from: measured here, given, computed from the two
(``so``), or a guess.
"""
import argparse
import logging
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from mmaction.registry import MODELS
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import TRANSFORMS, init_default_scope
from rich.console import Console
from rich.progress import track

import mmdualpath  # noqa: F401
from mmdualpath.analysis.pipelines import time_pipelines, with_decoder
from mmdualpath.analysis.structure import without_weights
from mmdualpath.datasets.decoding import choose_decoder
from mmdualpath.datasets.transcoding import transcode

ENDINGS = ('.mp4', '.webm', '.avi', '.mkv', '.mov', '.m4v', '.mpg', '.mpeg')
TRIALS = {  # what tools/data/transcode.py makes
    'H.264, a keyframe every 4':
    dict(format='h264', short_side=256, keyframes=4, quality=23),
    'H.264, keyframes alone':
    dict(format='h264', short_side=256, keyframes=1, quality=23),
    'Motion JPEG':
    dict(format='mjpeg', short_side=256, keyframes=1, quality=4),
}
Costs = Tuple[float, float, float]  # ms to read, train and test transforms


def spread(items: Sequence[Any], number: int) -> List[Any]:
    """Some items, evenly chosen."""
    return list(items[::max(1, len(items) // number)][:number])


def costs(cfg: Config, videos: Sequence[Path], repeats: int) -> Costs:
    """Mean CPU milliseconds of a clip."""
    taken = []
    for video in videos:
        times = [
            time_pipelines(
                {
                    '':
                    with_decoder(
                        cfg[f'{split}_dataloader'].dataset.pipeline,
                        decoder='auto')
                }, str(video), repeats)[''] for split in ('train', 'test')
        ]
        taken.append((times[0].decoding, times[0].rest, times[1].rest))
    return tuple(map(statistics.mean, zip(*taken)))


def trial(cfg: Config, videos: Sequence[Path], settings: Dict[str, Any],
          repeats: int) -> Tuple[Costs, float]:
    """What re-encoding gives: costs of a clip, and times the bytes."""
    with tempfile.TemporaryDirectory() as folder:
        made = [Path(folder, f'{i}.mp4') for i in range(len(videos))]
        for video, target in zip(videos, made):
            transcode(video, target, settings)
        before, after = (
            sum(p.stat().st_size for p in side) for side in (videos, made))
        return costs(cfg, made, repeats), after / before


def step_time(cfg: Config, video: Path, device: str,
              steps: int) -> Tuple[float, int]:
    """Seconds of a training step, and its clips: one on a CPU.

    The batch is one clip of a video, over and over.
    """
    results = dict(filename=str(video), label=0, start_index=0, modality='RGB')
    for step in with_decoder(
            cfg.train_dataloader.dataset.pipeline, decoder='auto'):
        results = TRANSFORMS.build(dict(step))(results)
    batch = cfg.train_dataloader.batch_size if device == 'cuda' else 1
    model = MODELS.build(without_weights(cfg.model)).to(device).train()
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    taken = []
    for _ in range(steps + 1):
        data = pseudo_collate([results] * batch)
        start = time.perf_counter()
        model.train_step(data, optim_wrapper)
        if device == 'cuda':
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:]), batch


def duration(seconds: float) -> str:
    """Seconds for people."""
    for unit, size in (('days', 86400), ('h', 3600), ('min', 60)):
        if seconds >= 2 * size:
            return f'{seconds / size:.1f} {unit}'
    return f'{seconds:.1f} s'


def main(args: Optional[Sequence[str]] = None) -> str:
    """Measure and print the plan."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('videos', type=Path, help='folder of videos')
    parser.add_argument(
        '--step',
        type=float,
        help='seconds of a training step at the batch size of the config')
    parser.add_argument('--gpus', type=int, default=1)
    parser.add_argument(
        '--cores', type=int, default=os.cpu_count(), help='of all GPUs')
    parser.add_argument(
        '--clips', type=int, help='an epoch; by default one of each video')
    parser.add_argument('--samples', type=int, default=10)
    parser.add_argument(
        '--trials', type=int, default=3, help='videos to re-encode')
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, default={})
    args = parser.parse_args(args)
    found = sorted(
        p for p in args.videos.rglob('*') if p.suffix.lower() in ENDINGS)
    if not found:
        parser.error(f'{args.videos} holds no videos: looked for '
                     f'{", ".join(ENDINGS)}')
    if min(args.gpus, args.cores, args.samples, args.repeats) < 1:
        parser.error('--gpus, --cores, --samples and --repeats are positive')
    logging.disable(logging.WARNING)  # what random weights are, at length
    torch.set_num_threads(1)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    init_default_scope(cfg.get('default_scope', 'mmaction'))

    console = Console(stderr=True)
    sample = spread(found, args.samples)
    read, train, test = map(
        statistics.mean,
        zip(*(costs(cfg, [video], args.repeats)
              for video in track(sample, 'Reading', console=console))))
    trials = {}
    if args.trials:
        some = spread(sample, args.trials)
        whole = costs(cfg, some, args.repeats)
        for name, settings in track(
                TRIALS.items(), 'Re-encoding', console=console):
            new, ratio = trial(cfg, some, settings, args.repeats)
            # of these videos, scaled to what all samples took
            trials[name] = (new[0] / whole[0] * read, new[1], ratio)

    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if args.step is None:
        torch.set_num_threads(args.cores if device == 'cpu' else 1)
        seconds, batch = step_time(cfg, sample[0], device,
                                   8 if device == 'cuda' else 2)
        source = f'measured, {torch.cuda.get_device_name()}' \
            if device == 'cuda' else f'measured, CPU, {args.cores} threads'
    else:
        seconds, batch = args.step, cfg.train_dataloader.batch_size
        source = 'given'
    text = plan(args, found, (read, train, test), trials, batch / seconds,
                f'{source}: {seconds:.3g} s for a step of {batch}',
                len(sample))
    print(text)
    return text


def plan(args: argparse.Namespace, found: Sequence[Path], cost: Costs,
         trials: Dict[str, Tuple[float, float, float]], rate: float,
         source: str, sampled: int) -> str:
    """The page.

    Args:
        args: Of the command line.
        found: All videos.
        cost: Milliseconds of a clip.
        trials: For each way to re-encode, milliseconds to read and to
            transform, and times the bytes.
        rate: Clips a second that a device trains on.
        source: Where that is from.
        sampled: Videos that were read.
    """
    read, train, test = cost
    size = sum(p.stat().st_size for p in found)
    clips = args.clips or len(found)
    free = shutil.disk_usage(args.videos).free

    def outlook(milliseconds: float) -> str:
        """Cores that keep a device busy, and what an epoch takes."""
        needed = rate * milliseconds / 1e3
        ready = args.cores / milliseconds * 1e3
        total = min(ready, rate * args.gpus)
        limit = 'reading' if ready < rate * args.gpus else 'the model'
        return (f'{needed:.2g} cores a device; epoch '
                f'{duration(clips / total)}, limited by {limit}')

    lines = [
        f'{args.config}, {sampled} of {len(found)} videos in {args.videos}',
        '',
        f'measured  {read:.1f} ms to read a clip ({choose_decoder()}), '
        f'{train:.1f} ms to transform it in training, {test:.1f} in testing',
        f'so        {1e3 / (read + train):.1f} clips/s a core in training, '
        f'{1e3 / (read + test):.1f} in testing',
        f'model     {rate:.3g} clips/s a device ({source})',
        f'given     {args.cores} cores, {args.gpus} devices, {clips} clips an '
        'epoch',
        f'so        as they are: {outlook(read + train)}',
    ]
    for name, (new, rest, ratio) in trials.items():
        lines.append(f'so        {name}: {outlook(new + rest)}')
    if trials:
        lines.append('')
    for name, (new, rest, ratio) in trials.items():
        lines.append(
            f'measured  {name}: {new:.1f} ms to read, {rest:.1f} to transform,'
            f' {ratio:.2f} times the bytes')
    lines.append(f'measured  {size / 1e9:.3g} GB of videos, {free / 1e9:.0f} '
                 'GB are free')
    for name, (_, _, ratio) in trials.items():
        lines.append(f'guess     {name}: {size * ratio / 1e9:.3g} GB, if all '
                     'are like the sample')
    lines.append('guess     cores work at the same speed together as one does '
                 'alone, and the disk keeps up')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()
