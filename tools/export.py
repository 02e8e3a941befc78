"""Write a model for a runtime that needs no OpenMMLab package.

    python tools/export.py CONFIG CHECKPOINT --format onnx --out work_dirs/app
    python tools/predict.py work_dirs/app/model.onnx video.mp4
    python tools/export.py CONFIG CHECKPOINT --format openvino --out DIR \\
        --int8 videos/ --eval CONFIG

The graph reads uint8 frames (B, T, H, W, 3), B being any, and gives scores
(B, classes). What is written is compared with the model on random frames in
batches of 1 and 3; a difference of more than 1e-4 is an error. --int8 writes
DIR/int8 besides, its ranges being measured on the videos. --eval compares all
that was written with the model on the test set of a config.
"""
import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import numpy as np
import torch
from mmaction.registry import DATASETS
from mmengine.config import Config
from rich.progress import track

from mmdualpath.analysis.provenance import PACKAGES, provenance
from mmdualpath.apis.inference import VideoInferencer, find_videos
from mmdualpath.apis.programs import program
from mmdualpath.datasets.decoding import open_video
from mmdualpath.deploy.export import (Deployable, describe, eager, quantize,
                                      save, trace, verify)
from mmdualpath.deploy.runner import ExportedModel, softmax
from mmdualpath.deploy.runtimes import FILES

DEPENDS = ('mmdualpath/deploy/export.py', 'mmdualpath/deploy/runtimes.py',
           'mmdualpath/framesets.py', 'tools/data/render_digits.py')
RUNTIMES = (*PACKAGES, 'onnxruntime', 'openvino', 'nncf')


def clips_of(model: ExportedModel, videos: List[str],
             most: int) -> List[np.ndarray]:
    """The first clip ``(1, T, H, W, 3)`` of each of some videos."""
    every = max(1, len(videos) // most)
    clips = []
    for video in track(videos[::every][:most], 'calibration'):
        reader = open_video(video)
        clips.append(model.clips(reader, 0, len(reader))[:1])
    return clips


def test_set(cfg: Config,
             model: ExportedModel) -> Iterator[Tuple[np.ndarray, int]]:
    """Clips ``(M, T, H, W, 3)`` and the label of each test video."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    for number in track(range(len(dataset)), 'test set'):
        item = dataset[number]
        frames = item['inputs']
        if not isinstance(frames, torch.Tensor):
            raise ValueError('The test pipeline splits clips into framesets '
                             'itself: leave that to the data preprocessor.')
        if frames.dim() == 4:  # (M*T, 3, H, W)
            frames = frames.unflatten(0, (-1, model.frames[0])).movedim(2, -1)
        else:  # (M, 3, T, H, W)
            frames = frames.movedim(1, -1)
        label = item['data_samples'].gt_label
        yield frames.numpy(), int(label)


def evaluate(network: Deployable, models: Dict[str, ExportedModel],
             cfg: Config) -> Dict[str, Any]:
    """Top-1 of the recognizer and of what was written, side by side."""
    names = ['eager', *models]
    logits: Dict[str, List[np.ndarray]] = {name: [] for name in names}
    labels = []
    for frames, label in test_set(cfg, next(iter(models.values()))):
        labels.append(label)
        logits['eager'].append(eager(network, frames))
        for name, model in models.items():
            logits[name].append(model.run(frames))
    best = {
        name: np.array([softmax(v).mean(0).argmax() for v in values])
        for name, values in logits.items()
    }
    return {
        name:
        dict(
            **{
                'top-1':
                100 * float((best[name] == labels).mean()),
                'agreement':
                100 * float((best[name] == best['eager']).mean()),
                'largest difference':
                max(
                    float(abs(a - b).max())
                    for a, b in zip(logits[name], logits['eager']))
            })
        for name in names
    }


def main() -> None:
    """Export what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help='path or URL')
    parser.add_argument('--format', choices=FILES, default='onnx')
    parser.add_argument('--out', type=Path, required=True, help='folder')
    parser.add_argument(
        '--labels', type=Path, help='file with the name of a class per line')
    parser.add_argument(
        '--int8',
        nargs='+',
        metavar='VIDEO',
        help='videos or folders to calibrate on, with --format openvino')
    parser.add_argument(
        '--calibration-clips', type=int, default=100, help='at most')
    parser.add_argument(
        '--eval', metavar='CONFIG', help='whose test set to compare on')
    parser.add_argument(
        '--eval-out', type=Path, help='file for the comparison')
    args = parser.parse_args()
    if args.int8 and args.format != 'openvino':
        raise ValueError('--int8 needs --format openvino.')

    inferencer = VideoInferencer(args.config, args.checkpoint, 'cpu',
                                 args.labels)
    inferencer.check_trained()
    metadata = describe(inferencer)
    metadata['config'] = Path(args.config).name
    network = Deployable(inferencer.model)
    path = save(
        trace(network, metadata['frames']), args.format, args.out, metadata)
    for batch, found in verify(network, path).items():
        print(f'batch {batch}: largest difference {found:.2g}')
    print(f'Wrote {path}.')
    models = {args.format: ExportedModel(path)}
    if args.format == 'openvino' and args.eval:
        try:
            models['openvino bf16'] = ExportedModel(path, 'bf16')
        except ValueError as error:
            print(error)
    if args.int8:
        clips = clips_of(models['openvino'], find_videos(args.int8),
                         args.calibration_clips)
        path = quantize(path, clips, metadata)
        models['openvino int8'] = ExportedModel(path)
        print(f'Wrote {path}.')
    if args.eval:
        found = evaluate(network, models, Config.fromfile(args.eval))
        for name, row in found.items():
            print(f'{name:14}  ' + '  '.join(f'{k} {v:.5g}'
                                             for k, v in row.items()))
        if args.eval_out:
            args.eval_out.parent.mkdir(parents=True, exist_ok=True)
            args.eval_out.write_text(
                json.dumps(
                    dict(
                        provenance(
                            f'python tools/export.py '
                            f'{shlex.join(sys.argv[1:])}',
                            DEPENDS,
                            packages=RUNTIMES),
                        rows=found),
                    indent=1))


if __name__ == '__main__':
    with program():
        sys.exit(main())
