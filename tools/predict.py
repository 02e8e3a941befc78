"""Predict what happens in videos.

    python tools/predict.py VIDEO... --config CONFIG --checkpoint CHECKPOINT
    python tools/predict.py folder/ --checkpoint CHECKPOINT --labels labels.txt
    python tools/predict.py https://.../clip.mp4 ... --out drawn.mp4
    python tools/predict.py long.mp4 ... --window 2 --timeline timeline.png
    python tools/predict.py webcam ... --window 2 --stride 0.2
    python tools/predict.py rtsp://... ... --stream --events events.jsonl
    python tools/predict.py work_dirs/app/model.onnx VIDEO...

A checkpoint of a training holds its config, so --config may be left out. With
--window long videos are predicted piece by piece. A video that cannot be read
is reported and skipped; the exit status is 1 then. A model of tools/export.py
does all of this without torch and OpenMMLab's packages; drawing needs
matplotlib.
"""
import argparse
import json
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import numpy as np

from mmdualpath.apis.events import EventFinder
from mmdualpath.apis.live import Follower, LiveSource, News, is_live, opener_of
from mmdualpath.apis.mistakes import one_message
from mmdualpath.apis.videos import (Predictor, VideoResult, find_videos,
                                    for_each, frames_in, lines_of, local)
from mmdualpath.datasets.decoding import open_video
from mmdualpath.deploy.runner import ExportedModel
from mmdualpath.deploy.runtimes import PRECISIONS, is_exported

# Options that say something of one kind of source, or of model, alone.
OF_FILES = ('batch_size', 'workers', 'timeline')
OF_STREAMS = ('events', 'threshold', 'smooth', 'seconds', 'reconnect')
OF_CHECKPOINTS = ('config', 'device', 'labels', 'workers')
OF_EXPORTED = ('precision', )


def predict_videos(predictor: Predictor,
                   args: argparse.Namespace) -> Tuple[List[dict], int]:
    """Predict files, folders and URLs, and write what is asked for.

    Returns:
        Results, and how many videos were skipped.
    """
    if args.out or args.timeline:
        from mmdualpath.visualization.predictions import (drawn, save,
                                                          timeline,
                                                          write_video)
    videos = find_videos(args.videos)
    found: Dict[int, dict] = {}

    def show(result: VideoResult, name: str) -> None:
        told = predictor.named(result, args.topk)
        print(result.video)
        for line in lines_of(told['predictions']):
            print('  ' + line)
        if args.out:
            path = args.out / f'{name}.mp4' if len(videos) > 1 else args.out
            frames = frames_in(open_video(result.opened.file))
            write_video(path, drawn(told, frames), told['fps'])
            print(f'Wrote {path}.')
        if args.timeline:
            path = args.timeline / f'{name}.png' if len(videos) > 1 \
                else args.timeline
            save(timeline(told), path)
            print(f'Wrote {path}.')
        found[result.number] = told

    results = predictor.predict_all(videos, args.window, args.stride,
                                    args.batch_size, args.workers)
    skipped = for_each(videos, show, results)
    return [found[number] for number in sorted(found)], skipped


def predict_stream(predictor: Predictor, args: argparse.Namespace, name: str,
                   folder: str) -> dict:
    """Predict a source as its frames come, until it ends or Ctrl-C.

    Returns:
        As of a file, the windows only if they are asked for.
    """
    if args.out:
        from mmdualpath.visualization.predictions import (draw_lines, legible,
                                                          write_video)
    reader = None if is_live(name) else open_video(local(name, Path(folder)))
    if reader is None:
        source = LiveSource(opener_of(name), retries=args.reconnect)
        batches, fps = iter(source), source.fps
    else:
        fps = reader.get_avg_fps()
        batches = ([frame] for frame in enumerate(frames_in(reader)))
    window = 2. if args.window is None else args.window
    stride = window / 2 if args.stride is None else args.stride
    recognizer = predictor.streaming(fps, window, stride)
    follower = Follower(recognizer, EventFinder(*args.threshold, args.smooth),
                        fps)
    result: dict = dict(video=name, fps=round(fps, 3), frames=0, windows=[])

    def tell(news: News) -> None:
        if news.window is not None:
            start, stop = (round(n / fps, 3) for n in news.window)
            ranked = predictor.ranked(news.smoothed, args.topk)
            print(f'{stop:8.2f} s  {"  |  ".join(lines_of(ranked))}')
            if args.json:
                result['windows'].append(
                    dict(
                        start=start,
                        end=stop,
                        predictions=predictor.ranked(news.scores, args.topk)))
        for event in news.events:
            line = json.dumps(
                event.as_dict(predictor.name), ensure_ascii=False)
            if args.events:
                with args.events.open('a', encoding='utf-8') as file:
                    file.write(line + '\n')
            else:
                print(line)
        sys.stdout.flush()

    def shown() -> Iterator[np.ndarray]:
        try:
            for batch in batches:
                news = follower.update(batch)
                tell(news)
                lines = [] if news.shown is None else lines_of([
                    dict(
                        label=predictor.name(news.shown),
                        score=news.smoothed[news.shown])
                ])
                for number, frame in batch:
                    picture = draw_lines(legible(frame), lines) \
                        if args.out else frame
                    # The last frame stands for those that were dropped.
                    yield from [picture] * (number + 1 - result['frames'])
                    result['frames'] = number + 1
                if args.seconds and result['frames'] >= args.seconds * fps:
                    break
        except KeyboardInterrupt:
            pass
        tell(follower.finish())

    if args.events:
        args.events.parent.mkdir(parents=True, exist_ok=True)
        args.events.write_text('')
    if args.out:
        write_video(args.out, shown(), fps)
        print(f'Wrote {args.out}.')
    else:
        deque(shown(), maxlen=0)
    if reader is None:
        print(f'{source.dropped} frames were dropped, the source was opened '
              f'anew {source.reconnects} times.')
    return result


def parse() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        'videos',
        nargs='+',
        metavar='VIDEO',
        help='files, folders, URLs, or webcam (webcam:1 for the second);\n'
        'an exported model may stand in front')
    parser.add_argument(
        '--config', help='defaults to the one in the checkpoint')
    parser.add_argument(
        '--checkpoint', help='path or URL, or an exported model')
    parser.add_argument('--device', help='such as cpu or cuda:0')
    parser.add_argument(
        '--labels', type=Path, help='file with the name of a class per line')
    parser.add_argument('--topk', type=int, default=5)
    parser.add_argument(
        '--window', type=float, help='seconds of a sliding window')
    parser.add_argument(
        '--stride', type=float, help='seconds between windows, default half')
    parser.add_argument(
        '--batch-size', type=int, default=4, help='windows at once')
    parser.add_argument(
        '--workers',
        type=int,
        default=2,
        help='processes that read videos ahead; 0 is this one')
    parser.add_argument(
        '--stream',
        action='store_true',
        help='predict frames as they come, a webcam or an address always')
    parser.add_argument(
        '--events', type=Path, help='file of JSON lines for events')
    parser.add_argument(
        '--threshold',
        type=float,
        nargs=2,
        default=(0.5, 0.3),
        metavar=('BEGIN', 'STAY'),
        help='scores at which an event begins, and below which it ends')
    parser.add_argument(
        '--smooth',
        type=float,
        default=0.,
        help='seconds over which scores of a stream are smoothed')
    parser.add_argument('--seconds', type=float, help='time to read a stream')
    parser.add_argument(
        '--reconnect',
        type=int,
        default=10,
        help='how often in a row a lost source is opened anew')
    parser.add_argument(
        '--out',
        type=Path,
        help='video with the predictions drawn; a folder for several')
    parser.add_argument(
        '--json', type=Path, help='file for all predictions and windows')
    parser.add_argument(
        '--timeline',
        type=Path,
        help='picture of the predictions over time; a folder for several')
    parser.add_argument(
        '--precision', choices=PRECISIONS, help='of an exported model')
    args = parser.parse_args()
    if args.checkpoint is None and is_exported(args.videos[0]):
        args.checkpoint, *args.videos = args.videos
    args.exported = is_exported(args.checkpoint or '')
    if not args.videos:
        parser.error('give a video')
    args.stream |= is_live(args.videos[0])
    if args.stream and len(args.videos) > 1:
        parser.error(f'a stream is one source, given {args.videos}')
    for names, unfit, kind in (
        (OF_FILES, args.stream, 'files: leave it out'),
        (OF_STREAMS, not args.stream, 'streams: give --stream'),
        (OF_CHECKPOINTS, args.exported, 'checkpoints: leave it out'),
        (OF_EXPORTED, not args.exported, 'exported models: leave it out'),
    ):
        for name in names if unfit else ():
            if getattr(args, name) != parser.get_default(name):
                parser.error(f'--{name.replace("_", "-")} is of {kind}')
    return args


def main() -> bool:
    """Predict what the command line names; gives whether some was skipped."""
    args = parse()
    predictor: Predictor
    if args.exported:
        predictor = ExportedModel(args.checkpoint, args.precision or 'fp32')
    else:
        from mmdualpath.apis.inference import VideoInferencer
        predictor = VideoInferencer(args.config, args.checkpoint, args.device,
                                    args.labels)
        predictor.check_trained()
    if args.stream:
        with tempfile.TemporaryDirectory() as folder:
            results, skipped = [
                predict_stream(predictor, args, args.videos[0], folder)
            ], 0
    else:
        results, skipped = predict_videos(predictor, args)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(
            json.dumps(results, indent=2, ensure_ascii=False) + '\n', 'utf-8')
        print(f'Wrote {args.json}.')
    return skipped > 0


if __name__ == '__main__':
    program = one_message
    if not any(map(is_exported, sys.argv)):
        from mmdualpath.apis.programs import program
    with program():
        sys.exit(main())
