"""One graph from uint8 frames to scores, for several runtimes.

The graph is traced from the recognizer and its own data preprocessor, so that
normalisation, spatial frames and framesets are those of training.
"""
import copy
import json
import tempfile
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Sequence
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.models.data_preprocessors import data_preprocessor
from mmpretrain.models.utils.attention import ShiftWindowMSA
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from ..analysis.complexity import find_image_size
from ..apis.inference import VideoInferencer
from ..framesets import to_pair
from ..models.backbones import views_of
from .runtimes import FILES, METADATA, ExportedGraph
from .steps import STEPS

# What differs from the recognizer by more is no export of it.
TOLERANCE = 1e-4


class Deployable(nn.Module):
    """A recognizer that reads frames as they are decoded.

    Args:
        model: A recognizer of MMAction2 or of this package.

    Raises:
        ValueError: If its data preprocessor reads something else than frames.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).eval()
        layout = getattr(model.data_preprocessor, 'format_shape', None)
        if layout not in ('NCHW', 'NCTHW'):
            raise ValueError(
                f'{type(model).__name__} with '
                f'{type(model.data_preprocessor).__name__} of format_shape='
                f'{layout!r} cannot be exported: clips of frames are, as '
                "'NCHW' or 'NCTHW'.")

    def forward(self, frames: Tensor) -> Tensor:
        """``(B, T, H, W, 3)`` uint8 -> scores ``(B, classes)``."""
        preprocessor = self.model.data_preprocessor
        if preprocessor.format_shape == 'NCHW':
            clips = frames.movedim(-1, 2)
        else:
            clips = frames.movedim(-1, 1).unsqueeze(1)
        # Stacked they are, and of one size; padding would read their sizes.
        with patch.object(data_preprocessor, 'stack_batch', lambda x: x):
            inputs, _ = preprocessor.preprocess(clips.contiguous(), None)
        return self.model(inputs, stage='head')


def trace(network: Deployable, shape: Sequence[int]) -> ExportedProgram:
    """The graph of a network, for batches of any size.

    Args:
        network: The network.
        shape: T, H and W of a clip.

    Raises:
        ValueError: If it has no such graph.
    """
    frames = torch.zeros(2, *shape, 3, dtype=torch.uint8)
    try:
        with torch.no_grad(), _traceable():
            network(frames)  # fills tables that later calls only read
            return torch.export.export(
                network, (frames, ),
                dynamic_shapes=({
                    0: Dim('batch', min=1, max=4096)
                }, ))
    except Exception as error:
        backbone = network.model.backbone
        inner = [type(view).__name__ for view in views_of(backbone).values()]
        raise ValueError(
            f'{type(network.model).__name__} with {", ".join(inner)} cannot '
            f'be exported: {str(error).strip().splitlines()[0]}') from error


@contextmanager
def _traceable() -> Iterator[None]:
    """With parts in place of those that runtimes cannot do alike."""
    with patch.object(ShiftWindowMSA, 'window_reverse',
                      staticmethod(_window_reverse)), \
            patch.object(F, 'interpolate', _interpolate), \
            patch.object(F, 'adaptive_avg_pool3d', _adaptive_avg_pool3d):
        yield


def _window_reverse(windows: Tensor, height: int, width: int,
                    size: int) -> Tensor:
    """As mmpretrain's, whose division by numbers fixes the batch."""
    down, across = height // size, width // size
    windows = windows.unflatten(0, (-1, down, across))
    return windows.transpose(2, 3).reshape(-1, height, width,
                                           windows.shape[-1])


interpolate = F.interpolate


def _interpolate(images: Tensor,
                 size: Any = None,
                 *args: Any,
                 **kwargs: Any) -> Tensor:
    """torch's, but antialiased resizing as two products of matrices.

    Runtimes differ in theirs.
    """
    if not kwargs.get('antialias') or kwargs.get('mode') != 'bilinear':
        return interpolate(images, size, *args, **kwargs)
    rows, columns = map(_weights, images.shape[-2:], size)
    return rows @ (images @ columns.mT)


def _adaptive_avg_pool3d(maps: Tensor, size: Sequence[int]) -> Tensor:
    """torch's as products of matrices: ONNX has none of it."""
    for axis, new in zip((-3, -2, -1), size):
        means = _means(maps.shape[axis], new)
        maps = (maps.movedim(axis, -1) @ means.mT).movedim(-1, axis)
    return maps


@lru_cache(maxsize=None)
def _means(old: int, new: int) -> Tensor:
    """Weights ``(new, old)`` of adaptive pooling along an axis."""
    return F.adaptive_avg_pool1d(torch.eye(old), new).mT.contiguous()


@lru_cache(maxsize=None)
def _weights(old: int, new: int) -> Tensor:
    """Weights ``(new, old)`` of the pixels of a side, torch's own."""
    return interpolate(
        torch.eye(old)[None, None],
        size=(new, old),
        mode='bilinear',
        antialias=True)[0, 0]


def describe(inferencer: VideoInferencer) -> Dict[str, Any]:
    """What has to be known beside the graph.

    Args:
        inferencer: The model, and how videos are read for it.

    Returns:
        ``steps`` in front of the graph, ``frames``, the T, H and W that it
        reads, ``labels``, ``classes`` and ``frozen_backbone``.

    Raises:
        ValueError: If the runner has no such step.
    """
    steps: List[Dict[str, Any]] = []
    size = None
    packing = ('InferencerPackInput', 'DecordDecode', 'VideoDecode',
               'FormatShape', 'PackActionInputs')
    for step in inferencer.pipeline.transforms:
        name = type(step).__name__
        if name in packing:
            continue
        options = {k: getattr(step, k) for k in STEPS.get(name, ())}
        random = name in ('SampleFrames',
                          'UniformSample') and not step.test_mode
        if name not in STEPS or random or getattr(
                step, 'lazy', False) or getattr(step, 'interpolation',
                                                'bilinear') != 'bilinear':
            raise ValueError(f'{step} of the test pipeline cannot be exported:'
                             f' the runner has {", ".join(STEPS)}, with '
                             'test_mode, without lazy, bilinear.')
        if name == 'Resize':
            scale = np.atleast_1d(options['scale']).tolist()
            options['scale'] = [-1 if s == np.inf else s for s in scale]
            size = None if step.keep_ratio else [int(s) for s in scale[::-1]]
        if name == 'CenterCrop':
            size = [int(s) for s in step.crop_size[::-1]]
        steps.append(dict(type=name, **options))
    clip = next((s for s in steps if 'clip_len' in s), None)
    if clip is None:
        raise ValueError('The test pipeline samples no frames.')
    if size is None:
        size = find_image_size(inferencer.cfg.model.backbone)
        if size is None:
            raise ValueError('The test pipeline neither crops nor resizes to '
                             'one size, and the backbone tells no img_size: '
                             'give it a CenterCrop.')
    height, width = to_pair(size, 'img_size')
    # Such 2D recognizers take each clip for a frame.
    frames = clip['clip_len'] if clip['clip_len'] > 1 else clip['num_clips']
    model, labels = inferencer.model, inferencer.labels
    prints = {
        path: str(view.fingerprint)
        for path, view in views_of(model.backbone).items()
        if hasattr(view, 'fingerprint')
    }
    return dict(
        model=type(model).__name__,
        frames=[frames, height, width],
        steps=steps,
        labels=None if labels is None else list(labels),
        classes=model.cls_head.num_classes,
        frozen_backbone=prints)


def save(program: ExportedProgram, kind: str, folder: Path,
         metadata: Dict[str, Any]) -> Path:
    """Write a graph in one of ``FILES``' formats, and its description.

    Args:
        program: The graph.
        kind: ``onnx``, ``openvino`` or ``pt2``.
        folder: Where ``model.*`` is written.
        metadata: See :func:`describe`.

    Returns:
        The file of the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILES[kind]
    text = json.dumps(metadata)
    if kind == 'pt2':
        torch.export.save(program, path, extra_files={METADATA: text})
    else:
        onnx = _as_onnx(program)
        if kind == 'onnx':
            onnx.model.metadata_props[METADATA] = text
            onnx.save(str(path), external_data=False)
        else:
            import openvino
            with tempfile.TemporaryDirectory() as place:
                name = Path(place) / FILES['onnx']
                onnx.save(str(name), external_data=False)
                save_openvino(openvino.convert_model(name), path, text)
    describe_in(folder, metadata)
    return path


def save_openvino(model: Any, path: Path, text: str) -> None:
    """Write a model of OpenVINO in float32, with its description inside."""
    import openvino
    model.set_rt_info(text, METADATA)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def describe_in(folder: Path, metadata: Dict[str, Any]) -> None:
    """Write the description that lies beside a model."""
    (folder / 'model.json').write_text(
        json.dumps(metadata, indent=2, ensure_ascii=False) + '\n', 'utf-8')


def _as_onnx(program: ExportedProgram) -> Any:
    import onnxscript  # noqa: F401  torch's message names no package
    return torch.onnx.export(
        program,
        dynamo=True,
        input_names=['frames'],
        output_names=['scores'],
        verbose=False)


def random_frames(batch: int, shape: Sequence[int], seed: int) -> np.ndarray:
    """``(B, T, H, W, 3)`` uint8 noise."""
    generator = np.random.default_rng(seed)
    return generator.integers(256, size=(batch, *shape, 3), dtype=np.uint8)


@torch.no_grad()
def eager(network: Deployable, frames: np.ndarray) -> np.ndarray:
    """Scores ``(B, classes)`` of the recognizer itself."""
    return network(torch.from_numpy(frames)).numpy()


def verify(network: Deployable, path: Path,
           batches: Sequence[int] = (1, 3)) -> Dict[int, float]:
    """Compare a written model with the recognizer, on random frames.

    Args:
        network: The recognizer.
        path: The file of the model.
        batches: Sizes of batches.

    Returns:
        Of each batch size, the largest difference between scores.

    Raises:
        ValueError: If they differ by more than 1e-4.
    """
    model = ExportedGraph(path)
    found = {}
    for batch in batches:
        frames = random_frames(batch, model.frames, batch)
        ours, theirs = eager(network, frames), model.run(frames)
        if theirs.shape != ours.shape:
            raise ValueError(f'{path}: scores {theirs.shape}, where the model '
                             f'gives {ours.shape}.')
        found[batch] = float(abs(theirs - ours).max())
        if not found[batch] <= TOLERANCE:
            raise ValueError(f'{path} differs from the model by '
                             f'{found[batch]:.2g}, more than {TOLERANCE:g}.')
    return found


def quantize(path: Path, clips: Iterable[np.ndarray],
             metadata: Dict[str, Any]) -> Path:
    """An int8 model of OpenVINO, of a float32 one.

    Args:
        path: The model, ``model.xml``.
        clips: Frames ``(1, T, H, W, 3)`` that ranges are measured on.
        metadata: Its description.

    Returns:
        The file, ``int8/model.xml`` beside the model.
    """
    import nncf
    import openvino
    model = openvino.Core().read_model(path)
    # Pixels of framesets have 256 levels already.
    parts = [op for op in model.get_ops() if op.get_type_name() == 'Floor']
    pixels = set()
    while parts:
        part = parts.pop()
        pixels.add(part.get_friendly_name())
        parts += [value.get_node() for value in part.input_values()]
    pixels &= {
        op.get_friendly_name()
        for op in model.get_ops() if op.get_type_name() == 'MatMul'
    }
    model = nncf.quantize(
        model,
        nncf.Dataset(list(clips)),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(names=sorted(pixels)))
    target = path.parent / 'int8' / path.name
    target.parent.mkdir(exist_ok=True)
    metadata = dict(metadata, precision='int8')
    save_openvino(model, target, json.dumps(metadata))
    describe_in(target.parent, metadata)
    return target
