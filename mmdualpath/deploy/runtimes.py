"""Exported models and what runs them, given frames.

Each runtime is needed for its own format alone: ONNX Runtime, OpenVINO, or
torch for ``.pt2``.
"""
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

import numpy as np

METADATA = 'mmdualpath'
FILES = dict(onnx='model.onnx', openvino='model.xml', pt2='model.pt2')
PRECISIONS = dict(fp32='f32', bf16='bf16', fp16='f16')
Run = Callable[[np.ndarray], np.ndarray]


def is_exported(name: Union[str, Path]) -> bool:
    """Whether a file is called like an exported model."""
    return Path(name).suffix in LOADERS


class ExportedGraph:
    """A graph from frames to scores, as ``tools/export.py`` writes it.

    Args:
        path: ``model.onnx``, ``model.xml`` or ``model.pt2``.
        precision: What OpenVINO computes in: ``fp32``, ``bf16`` or ``fp16``,
            where the machine has it.
        threads: Threads that compute; None takes as many as there are cores.

    Attributes:
        frames: T, height and width of a clip.
        steps: Those of the test pipeline in front of the graph.
        labels: Names of the classes, or None.
        metadata: What :func:`mmdualpath.deploy.export.describe` tells.

    Raises:
        ValueError: If the file is no such model, or the runtime cannot do
            what is asked.
    """

    def __init__(self,
                 path: Union[str, Path],
                 precision: str = 'fp32',
                 threads: Optional[int] = None) -> None:
        self.path = Path(path)
        if not is_exported(self.path):
            raise ValueError(f'{path} is no exported model: they are called '
                             f'{", ".join(LOADERS)}.')
        if not self.path.is_file():
            raise ValueError(f'{path} is not a file.')
        if precision not in PRECISIONS:
            raise ValueError(f'precision={precision!r}: there are '
                             f'{", ".join(PRECISIONS)}.')
        if precision != 'fp32' and self.path.suffix != '.xml':
            raise ValueError(f'precision={precision!r}: only OpenVINO '
                             f'computes in it, {path} is not of its format.')
        load = LOADERS[self.path.suffix]
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
            self.steps: List[Dict[str, Any]] = self.metadata['steps']
            self.labels: Optional[List[str]] = self.metadata['labels']
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


LOADERS = {'.onnx': _onnx, '.xml': _openvino, '.pt2': _pt2}
