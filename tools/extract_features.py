"""Features of the windows of many videos, for localisation and search.

    python tools/extract_features.py CONFIG CHECKPOINT videos/ --out features \
        --window 16 --stride 4
    python tools/extract_features.py CONFIG CHECKPOINT videos/ --out features \
        --window 2s --stride 0.5s --feature block:-2 --dtype fp16

Each video gets a file (windows, C), which ActionFormer and OpenTAD read, and
a JSON file beside it that says where its windows are. Type the same again to
go on where it stopped. --part 1/4 to 4/4 share the work among processes or
machines. A video that cannot be read is reported and skipped; the exit status
is 1 then.
"""
import argparse
import sys
from pathlib import Path
from typing import List

import torch
from mmengine.config import Config, DictAction
from rich.console import Console
from rich.progress import (BarColumn, MofNCompleteColumn, Progress, TextColumn,
                           TimeRemainingColumn)

from mmdualpath.apis.features import (DTYPES, FORMATS, FeatureFolder,
                                      FeatureReader, Grid, identity)
from mmdualpath.apis.inference import VideoInferencer, find_videos, for_each
from mmdualpath.apis.programs import program
from mmdualpath.apis.windows import VideoResult, over_windows
from mmdualpath.datasets.video_files import result_names


def share(text: str) -> slice:
    """``2/4`` as which videos of a list are the second of four parts."""
    number, _, parts = text.partition('/')
    if number.isdecimal() and parts.isdecimal() \
            and 1 <= int(number) <= int(parts):
        return slice(int(number) - 1, None, int(parts))
    raise argparse.ArgumentTypeError(f'{text!r} is no part such as 2/4.')


def main() -> bool:
    """Extract what the command line names; gives whether some was skipped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument(
        'checkpoint', help='"-" for the pretrained network alone')
    parser.add_argument(
        'videos', nargs='+', metavar='VIDEO', help='files, folders or URLs')
    parser.add_argument('--out', type=Path, default=Path('features'))
    parser.add_argument(
        '--window',
        help='frames (16) or seconds (0.5s); by default the whole video')
    parser.add_argument('--stride', help='the same; by default half a window')
    parser.add_argument(
        '--feature',
        help='both, spatial or temporal path of DualPath; head: what the\n'
        'last layer of the head reads; block:N; by default both or head')
    parser.add_argument('--dtype', choices=DTYPES, default='fp32')
    parser.add_argument('--format', choices=FORMATS, default='npy')
    parser.add_argument(
        '--batch-size', type=int, default=8, help='windows at once')
    parser.add_argument(
        '--workers',
        type=int,
        default=2,
        help='processes that read videos ahead; 0 is this one')
    parser.add_argument(
        '--part',
        type=share,
        default=slice(None),
        metavar='I/N',
        help='this process takes every N-th video from the I-th on')
    parser.add_argument('--device', help='such as cpu or cuda:0')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_intermixed_args()

    grid = Grid(args.window, args.stride)
    videos = find_videos(args.videos)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    trained = args.checkpoint != '-'
    inferencer = VideoInferencer(cfg, args.checkpoint if trained else None,
                                 args.device)
    reader = FeatureReader(inferencer.model, args.feature)
    if reader.feature == 'head' and not trained:
        raise ValueError("feature='head': layers of the head are untrained. "
                         'Give a checkpoint.')
    folder = FeatureFolder(
        args.out,
        dict(
            config=Path(args.config).name,
            checkpoint=args.checkpoint,
            **identity(inferencer.model, inferencer.cfg),
            feature=reader.feature,
            window=args.window,
            stride=args.stride), args.format, args.dtype)

    mine = list(zip(videos, result_names(videos)))[args.part]
    due = [(video, name) for video, name in mine
           if not folder.has(name, video)]
    todo: List[str] = [video for video, _ in due]
    print(f'{len(mine)} videos, {len(mine) - len(due)} of them are done.')
    if not due:
        return False

    with Progress(
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn('{task.fields[windows]} windows'),
            TimeRemainingColumn(),
            console=Console(stderr=True)) as progress:
        task = progress.add_task('videos', total=len(due), windows=0)
        windows = 0

        def write(result: VideoResult, _: str) -> None:
            nonlocal windows
            opened, features = result.opened, torch.stack(result.outputs)
            folder.write(due[result.number][1], result.video, opened,
                         grid.step(opened.frames, opened.fps), features)
            windows += len(features)

        def counted():
            for result in over_windows(todo, inferencer.pipeline, grid, reader,
                                       args.batch_size, args.workers):
                yield result
                progress.update(task, advance=1, windows=windows)

        skipped = for_each(todo, write, counted())
    print(f'Wrote features of {len(due) - skipped} videos, {windows} windows, '
          f'into {args.out}.')
    return skipped > 0


if __name__ == '__main__':
    with program():
        sys.exit(main())
