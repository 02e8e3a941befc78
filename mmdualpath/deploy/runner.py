"""Run an exported model on videos, without any package of OpenMMLab.

Needs numpy, PyAV and the runtime of the model's format: ONNX Runtime,
OpenVINO, or torch for ``.pt2``. Windows, sampling and resizing are those of
the test pipeline that the model was exported with.
"""
import argparse
import json
from pathlib import Path
from typing import (Any, Callable, Dict, Iterable, Iterator, List, Optional,
                    Sequence, Tuple, Union)

import numpy as np

from ..datasets.reader import VideoReader
from ..sliding import sliding_windows

METADATA = 'mmdualpath'
FILES = dict(onnx='model.onnx', openvino='model.xml', pt2='model.pt2')
# What stands between a video and the graph, and the options of each.
STEPS: Dict[str, Tuple[str, ...]] = dict(
    UniformSample=('clip_len', 'num_clips'),
    SampleFrames=('clip_len', 'frame_interval', 'num_clips',
                  'out_of_bound_opt', 'target_fps', 'twice_sample'),
    Resize=('scale', 'keep_ratio'),
    CenterCrop=('crop_size', ))
PRECISIONS = dict(fp32='f32', bf16='bf16', fp16='f16')
Run = Callable[[np.ndarray], np.ndarray]


def is_exported(name: Union[str, Path]) -> bool:
    """Whether a file is called like an exported model."""
    return Path(name).suffix in ('.onnx', '.xml', '.pt2')


class ExportedModel:
    """A model as ``tools/export.py`` writes it.

    Args:
        path: ``model.onnx``, ``model.xml`` or ``model.pt2``.
        precision: What OpenVINO computes in: ``fp32``, ``bf16`` or ``fp16``,
            where the machine has it.
        threads: Threads that compute; None takes as many as there are cores.

    Attributes:
        frames: T, height and width of a clip.
        metadata: What :func:`mmdualpath.deploy.export.describe` tells.

    Raises:
        ValueError: If the file is no such model, or the runtime cannot do
            what is asked.

    Examples:
        >>> model = ExportedModel('model.onnx')
        >>> model.predict('video.mp4')['predictions'][0]['label']
    """

    def __init__(self,
                 path: Union[str, Path],
                 precision: str = 'fp32',
                 threads: Optional[int] = None) -> None:
        self.path = Path(path)
        if not is_exported(self.path):
            raise ValueError(f'{path} is no exported model: they are called '
                             '.onnx, .xml or .pt2.')
        if not self.path.is_file():
            raise ValueError(f'{path} is not a file.')
        if precision not in PRECISIONS:
            raise ValueError(f'precision={precision!r}: there are '
                             f'{", ".join(PRECISIONS)}.')
        if precision != 'fp32' and self.path.suffix != '.xml':
            raise ValueError(f'precision={precision!r}: only OpenVINO '
                             f'computes in it, {path} is not of its format.')
        load = dict(zip(('.onnx', '.xml', '.pt2'),
                        (_onnx, _openvino, _pt2)))[self.path.suffix]
        try:
            self._run, text = load(self.path, precision, threads)
        except (ImportError, ValueError):
            raise
        except Exception as error:
            first = (str(error).strip() or type(error).__name__).split('\n')
            raise ValueError(
                f'{path} cannot be read as a model: it is cut '
                f'off or of something else ({first[0]}).') from error
        try:
            self.metadata: Dict[str, Any] = json.loads(text)
            self.frames: Tuple[int, ...] = tuple(self.metadata['frames'])
        except (TypeError, KeyError, ValueError):
            raise ValueError(f'{path} says nothing of labels and frames: it '
                             'was not written by tools/export.py.') from None

    def run(self, frames: np.ndarray) -> np.ndarray:
        """Scores ``(B, classes)`` of clips ``(B, T, H, W, 3)``, uint8.

        Raises:
            ValueError: If the clips are not such.
        """
        wanted = (*self.frames, 3)
        if frames.dtype != np.uint8 or frames.ndim != 5 \
                or frames.shape[1:] != wanted or not len(frames):
            raise ValueError(
                f'{self.path} reads uint8 frames (B, T, H, W, 3) = (B, '
                f'{", ".join(map(str, wanted))}), given {frames.dtype} '
                f'{frames.shape}.')
        return self._run(np.ascontiguousarray(frames))

    def clips(self,
              reader: Any,
              start: int,
              stop: int,
              fps: float = 30.) -> np.ndarray:
        """Clips ``(M, T, H, W, 3)`` of a part of a video.

        Args:
            reader: An open video.
            start: First frame.
            stop: The one after the last.
            fps: Frames per second.

        Raises:
            ValueError: If its frames are of another size than the model's.
        """
        sample, *steps = self.metadata['steps']
        numbers = SAMPLERS[sample['type']](stop - start, fps, sample) + start
        images = np.asarray(reader.get_batch(numbers.tolist()))
        for step in steps:
            images = IMAGES[step['type']](images, step)
        if images.shape[1:3] != self.frames[1:]:
            height, width = images.shape[1:3]
            raise ValueError(
                f'Frames of {height}x{width} pixels: {self.path} reads '
                f'{self.frames[1]}x{self.frames[2]}, and the pipeline it was '
                'exported with does not resize them.')
        return images.reshape(-1, *self.frames, 3)

    def scores(self,
               reader: Any,
               segments: Iterable[Tuple[int, int]],
               fps: float = 30.,
               batch_size: int = 4) -> Iterator[np.ndarray]:
        """Scores of segments of a video, as ``VideoInferencer`` gives them.

        Args:
            reader: An open video.
            segments: First frame and the one after the last of each.
            fps: Frames per second.
            batch_size: Segments that go through the model at once.

        Yields:
            ``(classes,)`` of each segment, summing to one.
        """
        segments = list(segments)
        for at in range(0, len(segments), batch_size):
            clips = [
                self.clips(reader, start, stop, fps)
                for start, stop in segments[at:at + batch_size]
            ]
            logits = self.run(np.concatenate(clips))
            for views in logits.reshape(len(clips), -1, logits.shape[-1]):
                yield softmax(views).mean(0)

    def ranked(self, scores: np.ndarray, topk: int = 5) -> List[dict]:
        """The best classes as ``label``, ``index`` and ``score``."""
        labels = self.metadata['labels']
        best = np.argsort(-scores, kind='stable')[:topk].tolist()
        return [
            dict(
                label=labels[i] if labels else f'class {i}',
                index=i,
                score=round(float(scores[i]), 6)) for i in best
        ]

    def predict(self,
                video: Union[str, Path],
                topk: int = 5,
                window: Optional[float] = None,
                stride: Optional[float] = None,
                batch_size: int = 4) -> dict:
        """Predict a video; arguments and results as ``VideoInferencer``'s."""
        reader = VideoReader(video)
        fps, frames = reader.get_avg_fps(), len(reader)
        segments = sliding_windows(frames, fps, window, stride)
        scores = list(self.scores(reader, segments, fps, batch_size))
        return dict(
            video=str(video),
            fps=round(fps, 3),
            frames=frames,
            predictions=self.ranked(np.mean(scores, 0), topk),
            windows=[
                dict(
                    start=round(start / fps, 3),
                    end=round(stop / fps, 3),
                    predictions=self.ranked(values, topk))
                for (start, stop), values in zip(segments, scores)
            ])


open_model = ExportedModel


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


# ---- runtimes -------------------------------------------------------------


def _onnx(path: Path, precision: str,
          threads: Optional[int]) -> Tuple[Run, str]:
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(
        str(path), options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    text = session.get_modelmeta().custom_metadata_map.get(METADATA)
    return lambda frames: session.run(None, {name: frames})[0], text


def _openvino(path: Path, precision: str,
              threads: Optional[int]) -> Tuple[Run, str]:
    import openvino
    core = openvino.Core()
    known = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    if precision != 'fp32' and precision.upper() not in known:
        raise ValueError(f'precision={precision!r}: OpenVINO has '
                         f'{", ".join(known)} on this machine.')
    model = core.read_model(path)
    text = model.get_rt_info(METADATA).astype(str) \
        if model.has_rt_info(METADATA) else None
    options = dict(
        INFERENCE_PRECISION_HINT=PRECISIONS[precision],
        PERFORMANCE_HINT='LATENCY',
        **(dict(INFERENCE_NUM_THREADS=threads) if threads else {}))
    compiled = core.compile_model(model, 'CPU', options)
    return lambda frames: compiled([frames])[0].copy(), text


def _pt2(path: Path, precision: str,
         threads: Optional[int]) -> Tuple[Run, str]:
    import torch
    if threads:
        torch.set_num_threads(threads)
    extra = {METADATA: ''}
    network = torch.export.load(path, extra_files=extra).module()

    def run(frames: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network(torch.from_numpy(frames)).numpy()

    return run, extra[METADATA]


# ---- steps of the test pipeline -------------------------------------------


def _uniform_sample(total: int, fps: float, step: Dict) -> np.ndarray:
    """As MMAction2's ``UniformSample`` in tests."""
    segment = (total - 1) / step['clip_len']
    starts = np.round(segment * np.arange(step['clip_len'])).astype(int)
    shift = segment / (step['num_clips'] + 1)
    return np.concatenate(
        [starts + int(shift * (k + 1)) for k in range(step['num_clips'])])


def _sample_frames(total: int, fps: float, step: Dict) -> np.ndarray:
    """As MMAction2's ``SampleFrames`` in tests."""
    length, clips = step['clip_len'], step['num_clips']
    interval, target = step['frame_interval'], step['target_fps']
    if target is None:
        span = (length - 1) * interval + 1
        numbers = np.arange(length) * interval
    else:
        span = max(1, length * interval * (fps / target if fps else 1.))
        numbers = np.linspace(0, span - 1, length).astype(np.int32)
    if length == 1:
        every = total / clips
        first = np.arange(clips) * every
        starts = first + every / 2
        if step['twice_sample']:
            starts = np.concatenate([starts, first])
    elif clips * (1 + step['twice_sample']) > 1:
        every = max(total - span, 0) / (clips - 1)
        count = np.arange(clips * (1 + step['twice_sample']))
        starts = np.round(count * every) if target is None \
            else count * np.floor(every)
    else:
        starts = np.array([max(total - span, 0) // 2])
    numbers = starts[:, None] + numbers
    if step['out_of_bound_opt'] == 'loop':
        numbers = numbers % total
    else:
        inside = numbers < total
        last = np.max(inside * numbers, 1, keepdims=True)
        numbers = np.where(inside, numbers, last)
    return numbers.reshape(-1).astype(int)


def _resize(images: np.ndarray, step: Dict) -> np.ndarray:
    """As MMAction2's ``Resize``, by OpenCV's bilinear interpolation."""
    height, width = images.shape[1:3]
    scale = step['scale']
    if not step['keep_ratio']:
        new = tuple(scale)
    else:
        if len(scale) == 1:
            factor = scale[0]
        elif min(scale) == -1:
            factor = max(scale) / min(height, width)
        else:
            factor = min(
                max(scale) / max(height, width),
                min(scale) / min(height, width))
        new = int(width * factor + 0.5), int(height * factor + 0.5)
    return bilinear(images, new[1], new[0])


def bilinear(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images ``(N, H, W, C)``, uint8, scaled in OpenCV's whole numbers."""
    if images.shape[1:3] == (height, width):
        return images
    rows, columns = (
        _taps(*sides)
        for sides in ((images.shape[1], height), (images.shape[2], width)))
    out = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for number, image in enumerate(images):
        first, weight = columns
        last = np.minimum(first + 1, image.shape[1] - 1)
        weight = weight[:, None]
        lines = image.astype(np.int32)
        lines = lines[:, first] * (2048 - weight) + lines[:, last] * weight
        first, weight = rows
        last = np.minimum(first + 1, len(image) - 1)
        weight, lines = weight[:, None, None], lines >> 4
        lines = (((2048 - weight) * lines[first]) >> 16) + (
            (weight * lines[last]) >> 16)
        out[number] = (lines + 2) >> 2
    return out


def _taps(old: int, new: int) -> Tuple[np.ndarray, np.ndarray]:
    """First of the two pixels of each new one, and 2048ths of the second."""
    place = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(place).astype(int)
    part = place - first
    part[first < 0] = 0
    first = np.maximum(first, 0)
    part[first >= old - 1] = 0
    first = np.minimum(first, old - 1)
    return first, np.rint(part * np.float32(2048)).astype(np.int32)


def _center_crop(images: np.ndarray, step: Dict) -> np.ndarray:
    """As MMAction2's ``CenterCrop``."""
    width, height = step['crop_size']
    top = (images.shape[1] - height) // 2
    left = (images.shape[2] - width) // 2
    if min(top, left) < 0:
        raise ValueError(f'Frames of {images.shape[1]}x{images.shape[2]} '
                         f'pixels are smaller than a crop of {height}x{width}'
                         '.')
    return images[:, top:top + height, left:left + width]


SAMPLERS = dict(UniformSample=_uniform_sample, SampleFrames=_sample_frames)
IMAGES = dict(Resize=_resize, CenterCrop=_center_crop)

# ---- the command line -----------------------------------------------------


def asked_for(arguments: Sequence[str]) -> Optional[str]:
    """The exported model that a command line of ``predict.py`` names.

    It stands first, or behind ``--checkpoint``.
    """
    names = [
        name for before, name in zip(('', *arguments), arguments)
        if before in ('', '--checkpoint') and is_exported(name)
    ]
    return names[0] if names else None


def main(arguments: Sequence[str]) -> bool:
    """Predict videos by an exported model; whether some was skipped."""
    parser = argparse.ArgumentParser(
        description='Predict videos by an exported model.')
    parser.add_argument('model', help='model.onnx, model.xml or model.pt2')
    parser.add_argument('videos', nargs='+', type=Path, metavar='VIDEO')
    parser.add_argument('--topk', type=int, default=5)
    parser.add_argument(
        '--window', type=float, help='seconds of a sliding window')
    parser.add_argument(
        '--stride', type=float, help='seconds between windows, default half')
    parser.add_argument('--batch-size', type=int, default=4)
    parser.add_argument('--precision', choices=PRECISIONS, default='fp32')
    parser.add_argument(
        '--json', type=Path, help='file for all predictions and windows')
    path = asked_for(arguments)
    rest = [a for a in arguments if a not in (path, '--checkpoint')]
    args = parser.parse_args([str(path), *rest])
    results, skipped = [], 0
    try:
        model = ExportedModel(args.model, args.precision)
        for video in args.videos:
            try:
                result = model.predict(video, args.topk, args.window,
                                       args.stride, args.batch_size)
            except ValueError as error:
                if len(args.videos) == 1:
                    raise
                print(f'{video}: skipped. {error}')
                skipped += 1
                continue
            results.append(result)
            print(video)
            for p in result['predictions']:
                print(f'  {p["score"]:6.1%}  {p["label"]}')
    except (ImportError, ValueError, OSError) as error:
        raise SystemExit(str(error)) from None
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(
            json.dumps(results, indent=2, ensure_ascii=False) + '\n', 'utf-8')
        print(f'Wrote {args.json}.')
    return skipped > 0
