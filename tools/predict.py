"""Predict what happens in videos.

    python tools/predict.py VIDEO... --config CONFIG --checkpoint CHECKPOINT
    python tools/predict.py folder/ --checkpoint CHECKPOINT --labels labels.txt
    python tools/predict.py https://.../clip.mp4 ... --out drawn.mp4
    python tools/predict.py long.mp4 ... --window 2 --timeline timeline.png
    python tools/predict.py webcam ... --window 2
    python tools/predict.py work_dirs/app/model.onnx VIDEO...

A checkpoint of a training holds its config, so --config may be left out. With
--window long videos are predicted piece by piece. A video that cannot be read
is reported and skipped; the exit status is 1 then. A model of tools/export.py
needs none of OpenMMLab's packages; it draws nothing and reads no webcam.
"""
import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, Optional, Tuple
from urllib.parse import unquote, urlparse

import numpy as np

from mmdualpath.deploy import runner

# Nothing below can be imported where only the runner is needed.
if __name__ == '__main__' and runner.asked_for(sys.argv[1:]):
    sys.exit(runner.main(sys.argv[1:]))

from mmdualpath.apis.inference import (VideoInferencer, find_videos, for_each,
                                       frames_in, prediction_at, webcam_frames)
from mmdualpath.apis.programs import program
from mmdualpath.datasets.decoding import open_video
from mmdualpath.visualization.pictures import (draw_lines, save, timeline,
                                               write_video)


def lines_of(predictions: List[dict]) -> List[str]:
    """Predictions as text."""
    return [f'{p["score"]:6.1%}  {p["label"]}' for p in predictions]


def drawn(result: dict) -> Iterator[np.ndarray]:
    """Every frame of a video with the prediction of its time on it."""
    for number, frame in enumerate(frames_in(open_video(result['video']))):
        predictions = prediction_at(result['windows'], number / result['fps'])
        yield draw_lines(legible(frame), lines_of(predictions))


def legible(frame: np.ndarray, least: int = 240) -> np.ndarray:
    """A frame, repeated in pixels if it is too small to write on."""
    factor = -(-least // min(frame.shape[:2]))
    return frame.repeat(factor, 0).repeat(factor, 1)


def local(name: str, folder: str) -> str:
    """A file for a file or a URL."""
    if '://' not in name:
        return name
    from torch.hub import download_url_to_file
    path = Path(folder) / (Path(unquote(urlparse(name).path)).name or 'video')
    download_url_to_file(name, str(path))
    return str(path)


def predict_videos(inferencer: VideoInferencer, args: argparse.Namespace,
                   folder: str) -> Tuple[List[dict], int]:
    """Predict files, folders and URLs, and write what is asked for.

    Returns:
        Results, and how many videos were skipped.
    """
    videos = find_videos(args.videos)
    results = []

    def predict(video: str, name: str) -> None:
        result = inferencer.predict(
            local(video, folder), args.topk, args.window, args.stride,
            args.batch_size)
        print(video)
        for line in lines_of(result['predictions']):
            print('  ' + line)
        if args.out:
            path = args.out / f'{name}.mp4' if len(videos) > 1 else args.out
            write_video(path, drawn(result), result['fps'])
            print(f'Wrote {path}.')
        if args.timeline:
            path = args.timeline / f'{name}.png' if len(videos) > 1 \
                else args.timeline
            save(timeline(result), path)
            print(f'Wrote {path}.')
        results.append(dict(result, video=video))

    skipped = for_each(videos, predict)
    return results, skipped


def predict_webcam(inferencer: VideoInferencer, args: argparse.Namespace,
                   number: int) -> None:
    """Print the prediction of the last seconds, until interrupted."""
    fps, frames = webcam_frames(number, args.seconds)
    stream = inferencer.watch(frames, fps, args.window or 2., args.stride
                              or 0.5, args.topk)

    def shown() -> Iterator[np.ndarray]:
        before: Optional[List[dict]] = None
        try:
            for frame, predictions in stream:
                if predictions is not before and predictions:
                    print('  |  '.join(lines_of(predictions)), flush=True)
                before = predictions
                yield draw_lines(legible(frame), lines_of(predictions))
        except KeyboardInterrupt:
            return

    if args.out:
        write_video(args.out, shown(), fps)
        print(f'Wrote {args.out}.')
    else:
        for _ in shown():
            pass


def main() -> bool:
    """Predict what the command line names; gives whether some was skipped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        'videos',
        nargs='+',
        metavar='VIDEO',
        help='files, folders, URLs, or webcam (webcam:1 for the second)')
    parser.add_argument(
        '--config', help='defaults to the one in the checkpoint')
    parser.add_argument('--checkpoint', help='path or URL')
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
    parser.add_argument('--seconds', type=float, help='time to read a webcam')
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
        '--precision', choices=runner.PRECISIONS, help='of an exported model')
    args = parser.parse_args()
    if args.precision:
        raise ValueError('--precision is for a model of tools/export.py.')

    inferencer = VideoInferencer(args.config, args.checkpoint, args.device,
                                 args.labels)
    inferencer.check_trained()
    if args.videos[0].split(':')[0] == 'webcam':
        number = args.videos[0].partition(':')[2]
        predict_webcam(inferencer, args, int(number or 0))
        return False
    with tempfile.TemporaryDirectory() as folder:
        results, skipped = predict_videos(inferencer, args, folder)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(
            json.dumps(results, indent=2, ensure_ascii=False) + '\n', 'utf-8')
        print(f'Wrote {args.json}.')
    return skipped > 0


if __name__ == '__main__':
    with program():
        sys.exit(main())
