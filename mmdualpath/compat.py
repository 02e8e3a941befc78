"""What current releases of the stack break, mended in one place.

``import mmdualpath`` calls :func:`apply` once. Each function names the release
that is at fault and the one it can go with. None of them changes what a
correct call already did.
"""
import atexit
import functools
import importlib
import importlib.machinery
import importlib.util
import os
import pickle
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Union

import numpy as np
import torch
from torch import Tensor, nn


def _stand_in_for_drn() -> None:
    """mmaction2 1.2.0's wheel lacks ``mmaction.models.localizers.drn``.

    Its ``localizers/__init__.py`` imports the package all the same, so that
    ``import mmaction.models`` fails. The stand-in lets the import pass and
    fails only when DRN itself is asked for. Goes with a wheel that has it.
    """
    name = 'mmaction.models.localizers.drn'
    spec = importlib.util.find_spec('mmaction')
    folder = Path(spec.origin).parent / 'models' / 'localizers' / 'drn'
    if name in sys.modules or folder.is_dir():
        return

    class DRN:  # what the package would have exported

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise ImportError('DRN is missing from this mmaction2 wheel; '
                              'install mmaction2 from source to use it.')

    for full_name in (name, f'{name}.drn'):
        module = ModuleType(full_name)
        module.__spec__ = importlib.machinery.ModuleSpec(
            full_name, None, is_package=True)
        module.__path__ = []
        module.DRN = DRN
        sys.modules[full_name] = module


def _multimodal_without_transformers_5() -> None:
    """mmaction2 and mmpretrain 1.2.0 import names transformers 5 removed.

    With transformers 5 installed, ``import mmaction.models`` fails on
    ``apply_chunking_to_forward``. Both packages leave their multimodal models
    out, and register placeholders, when transformers is absent; the same
    switch is used here. Goes with releases that follow transformers 5.
    """
    try:
        release = int(version('transformers').split('.')[0])
    except PackageNotFoundError:
        return
    if release >= 5:
        for package in ('mmaction', 'mmpretrain'):
            dependency = importlib.import_module(f'{package}.utils.dependency')
            dependency.WITH_MULTIMODAL = False


def _history_getattr(owner: type, name: str) -> Any:
    """The one use MMEngine's checkpoints make of ``getattr``."""
    from mmengine.logging import HistoryBuffer
    allowed = ('min', 'max', 'current', 'mean')
    if owner is not HistoryBuffer or name not in allowed:
        raise pickle.UnpicklingError(
            'This checkpoint asks for the attribute '
            f'{getattr(owner, "__name__", owner)}.{name} while it is loaded; '
            f'only {", ".join(allowed)} of HistoryBuffer are allowed.')
    return getattr(owner, name)


def _load_mmengine_checkpoints_safely() -> None:
    """torch 2.6+ loads with ``weights_only=True``; MMEngine 0.10.7 saves more.

    Its checkpoints hold a message hub of ``HistoryBuffer`` and numpy values,
    so testing, ``--resume`` and ``load_from`` fail. Exactly these types are
    declared safe, everything else stays refused; a file that needs more is
    opened only with torch's own switch ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``.
    Goes when MMEngine writes or declares plain types.
    """
    from mmengine.logging import HistoryBuffer
    multiarray = (
        np._core.multiarray if hasattr(np, '_core') else np.core.multiarray)
    safe = [
        HistoryBuffer, np.ndarray, np.dtype,
        (_history_getattr, 'builtins.getattr'),
        (_history_getattr, '__builtin__.getattr')
    ]
    safe += [
        dtype for dtype in vars(np.dtypes).values() if isinstance(dtype, type)
    ]
    for package in ('numpy.core', 'numpy._core'):
        safe += [(multiarray._reconstruct,
                  f'{package}.multiarray._reconstruct'),
                 (multiarray.scalar, f'{package}.multiarray.scalar')]
    torch.serialization.add_safe_globals(safe)


def _hue_on_numpy_2() -> None:
    """mmaction2 1.2.0's ``ColorJitter`` overflows for a negative hue.

    It adds a negative Python integer to a uint8 array, which numpy 2 refuses.
    Goes with an mmaction2 that computes the offset modulo 180 first.
    """
    import cv2
    from mmaction.datasets.transforms import ColorJitter

    def adjust_hue(img: np.ndarray, factor: float) -> np.ndarray:
        hsv = cv2.cvtColor(
            np.clip(img, 0, 255).astype(np.uint8), cv2.COLOR_RGB2HSV)
        hue = hsv[..., 0].astype(np.int32) + int(factor * 255)
        hsv[..., 0] = hue % 180
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float32)

    ColorJitter.adjust_hue = staticmethod(adjust_hue)


def _amp_on_cpu() -> None:
    """MMEngine 0.10.7's ``AmpOptimWrapper`` asserts an accelerator.

    On CPU autocast runs in bfloat16, which needs no loss scaling: the
    gradient scaler is there and switched off. Goes with an MMEngine that
    asks for a device type.
    """
    if torch.cuda.is_available():
        return
    from mmengine.optim.optimizer import amp_optimizer_wrapper as amp
    amp.is_cuda_available = lambda: True
    amp.GradScaler = functools.partial(
        torch.amp.GradScaler, 'cpu', enabled=False)


def _bfloat16_scores() -> None:
    """mmaction2 1.2.0's heads call ``.numpy()`` on bfloat16 scores.

    Numpy has no bfloat16, so ``--amp`` with it fails in the accuracy of a
    training step and in the metric. Scores leave the heads as float32. Goes
    with an mmaction2 that converts them.
    """
    from mmaction.models.heads import BaseHead

    for name in ('loss_by_feat', 'predict_by_feat'):
        original = getattr(BaseHead, name)

        def in_float32(self, cls_scores, *args, _original=original, **kwargs):
            return _original(self, cls_scores.float(), *args, **kwargs)

        setattr(BaseHead, name, functools.wraps(original)(in_float32))


def _conv3d_in_bfloat16_on_cpu() -> None:
    """torch 2.8 and 2.11 return noise as Conv3d's gradient in bfloat16.

    On CPUs with bfloat16 instructions the gradient of the weight is wrong for
    some sizes and layouts, without an error (related:
    https://github.com/pytorch/pytorch/issues/169688). There ``nn.Conv3d`` is
    computed in float32 and its output rounded. Goes with a torch that gets
    these gradients right.
    """
    convolve = nn.Conv3d._conv_forward

    @functools.wraps(convolve)
    def in_float(self: nn.Conv3d, input: Tensor, weight: Tensor,
                 bias: Optional[Tensor]) -> Tensor:
        dtype = torch.get_autocast_dtype('cpu') \
            if torch.is_autocast_enabled('cpu') else input.dtype
        if input.device.type != 'cpu' or dtype != torch.bfloat16:
            return convolve(self, input, weight, bias)
        with torch.autocast('cpu', enabled=False):
            output = convolve(self, input.float(), weight.float(),
                              None if bias is None else bias.float())
        return output.to(dtype)

    nn.Conv3d._conv_forward = in_float


def _distributed_on_cpu() -> None:
    """MMEngine 0.10.7 takes for granted that every process has a GPU.

    ``init_dist`` calls ``torch.cuda.set_device`` and keeps the config's nccl
    backend, and the runner hands ``device_ids`` to
    ``DistributedDataParallel``, which refuses them for a model on CPU. Nor
    does it leave the process group at the end. Then a thread of gloo that
    still lets go of a tensor, and needs the interpreter for it, aborts the
    process that had finished; half a second is what it gets
    (https://github.com/pytorch/pytorch/pull/179291). Goes with an MMEngine
    that asks for the device first and a torch that waits for its threads.
    """
    if torch.cuda.is_available():
        return
    from mmengine.dist import utils
    from mmengine.model import MMDistributedDataParallel

    def init_dist_gloo(backend: str, init_backend: str = 'torch', **kwargs):
        torch.distributed.init_process_group(backend='gloo', **kwargs)
        atexit.register(leave)

    def leave():
        if torch.distributed.is_initialized():
            time.sleep(0.5)
            torch.distributed.destroy_process_group()

    utils._init_dist_pytorch = init_dist_gloo

    wrap = MMDistributedDataParallel.__init__

    @functools.wraps(wrap)
    def without_device_ids(self, module, *args, device_ids=None, **kwargs):
        wrap(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = without_device_ids


def _count_attention() -> None:
    """MMEngine 0.10.7 counts no multiply-adds for fused attention.

    ViT-B/16 comes out at 16.87 G instead of 17.58 G. Goes with an MMEngine
    that knows ``scaled_dot_product_attention``.
    """
    from mmengine.analysis import complexity_analysis

    def attention_macs(inputs: list, outputs: list) -> int:
        query, _, value = (i.type().sizes() for i in inputs[:3])
        batch = int(np.prod(query[:-2]))
        return batch * query[-2] * value[-2] * (query[-1] + value[-1])

    complexity_analysis._DEFAULT_SUPPORTED_FLOP_OPS.setdefault(
        'aten::scaled_dot_product_attention', attention_macs)


def _whole_files_or_none() -> None:
    """MMEngine 0.10.7 writes checkpoints in place.

    A process that is killed, or a disk that is full, leaves half a file under
    the name of a checkpoint. Here a file is written beside it and renamed, so
    the name always leads to a whole one. Goes with an MMEngine that does.
    """
    from mmengine.fileio.backends import LocalBackend

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f'.{path.name}.{os.getpid()}.part')
        try:
            with part.open('wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OSError(
                error.errno, f'{error.strerror}: {path} ({len(obj) / 1e6:.1f} '
                'MB) could not be written; what was there before is as it '
                'was') from error

    def put_text(self,
                 obj: str,
                 filepath: Union[str, Path],
                 encoding: str = 'utf-8') -> None:
        self.put(obj.encode(encoding), filepath)

    LocalBackend.put, LocalBackend.put_text = put, put_text


def _decord_by_path() -> None:
    """mmaction2 1.2.0 gives decord 0.6.0 a local video as bytes.

    On AVI files that end early decord then crashes, and the process with it;
    by path it reads what is there. The frames are the same. A path begins
    with a slash, so that FFmpeg takes none for an address. Goes with a decord
    that survives.
    """
    from mmaction.datasets.transforms import DecordInit

    from_bytes = DecordInit._get_video_reader

    def get_video_reader(self, filename: str) -> Any:
        import decord
        if self.io_backend != 'disk' or self.kwargs:
            return from_bytes(self, filename)
        if not os.path.splitext(filename)[1]:
            filename += '.mp4'
        if not os.path.isfile(filename):
            raise FileNotFoundError(f'{filename} is not a file.')
        return decord.VideoReader(
            os.path.abspath(filename), num_threads=self.num_threads)

    DecordInit._get_video_reader = get_video_reader


def float_drop_probs(module: nn.Module) -> None:
    """mmpretrain 1.2.0's ViT keeps ``drop_prob`` as a numpy float.

    ``torch.compile(fullgraph=True)`` breaks on it. Goes with an mmpretrain
    that converts the value.

    Args:
        module: A network built by mmpretrain, changed in place.
    """
    for part in module.modules():
        if isinstance(getattr(part, 'drop_prob', None), np.floating):
            part.drop_prob = float(part.drop_prob)


@functools.lru_cache(maxsize=None)
def apply() -> None:
    """Mend the installed releases, once per process.

    ``pkg_resources``, which MMEngine 0.10.7 needs to resolve ``mmaction::``
    bases before any custom import runs, cannot be mended from here: the
    package requires ``setuptools<81`` instead.
    """
    _stand_in_for_drn()
    _multimodal_without_transformers_5()
    _load_mmengine_checkpoints_safely()
    _hue_on_numpy_2()
    _amp_on_cpu()
    _bfloat16_scores()
    _conv3d_in_bfloat16_on_cpu()
    _distributed_on_cpu()
    _count_attention()
    _whole_files_or_none()
    _decord_by_path()


def no_inflation(module: nn.Module) -> None:
    """mmaction2 1.2.0's Video Swin inflates the 2-D weights of no file.

    With its default ``pretrained2d=True`` and no ``pretrained``,
    ``init_weights`` opens None. Goes with an mmaction2 that looks first.

    Args:
        module: A network, changed in place.
    """
    if getattr(module, 'pretrained2d', False) \
            and getattr(module, 'pretrained', None) is None:
        module.pretrained2d = False
