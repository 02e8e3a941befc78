"""What current releases of the stack break, mended in one place.

``import mmdualpath`` calls :func:`apply` once: it mends what importing and
loading need, in the releases that need it and in no later ones. What MMEngine
lacks where there is no accelerator, :func:`enable_cpu` adds for
``tools/train.py`` and ``tools/test.py``. Nothing changes what a correct call
already did.
"""
import atexit
import functools
import importlib
import importlib.machinery
import importlib.util
import pickle
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from mmengine.utils import digit_version
from torch import nn


def _stand_in_for_drn() -> None:
    """mmaction2's wheel lacks ``mmaction.models.localizers.drn``.

    Its ``localizers/__init__.py`` imports the package all the same, so that
    ``import mmaction.models`` fails. The stand-in lets the import pass and
    fails only when DRN itself is asked for. An mmaction2 from source has it.
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


def _without_multimodal(package: str) -> None:
    """mmaction2 and mmpretrain import names that transformers 5 removed.

    With transformers 5 installed, ``import mmaction.models`` fails on
    ``apply_chunking_to_forward``. Both packages leave their multimodal models
    out, and register placeholders, when transformers is absent; the same
    switch is used here.
    """
    if not _at_most('transformers', '4.999'):
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
    """torch 2.6+ loads with ``weights_only=True``; MMEngine saves more.

    Its checkpoints hold a message hub of ``HistoryBuffer`` and numpy values,
    so testing, ``--resume`` and ``load_from`` fail. Exactly these types are
    declared safe, everything else stays refused; a file that needs more is
    opened only with torch's own switch ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``.
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


# What is mended, of which package, and the last release that needs it.
MENDED = (
    (_stand_in_for_drn, 'mmaction2', '1.2.0'),
    (functools.partial(_without_multimodal, 'mmaction'), 'mmaction2', '1.2.0'),
    (functools.partial(_without_multimodal,
                       'mmpretrain'), 'mmpretrain', '1.2.0'),
    (_load_mmengine_checkpoints_safely, 'mmengine', '0.10.7'),
)


def _at_most(package: str, release: str) -> bool:
    """Whether a package is not there, or in no later release than this."""
    try:
        return digit_version(version(package)) <= digit_version(release)
    except PackageNotFoundError:
        return True


@functools.lru_cache(maxsize=None)
def apply() -> None:
    """Mend the installed releases, once per process.

    ``pkg_resources``, which MMEngine 0.10.7 needs to resolve ``mmaction::``
    bases before any custom import runs, cannot be mended from here: the
    package requires ``setuptools<81`` instead.
    """
    for mend, package, last in MENDED:
        if _at_most(package, last):
            mend()


@functools.lru_cache(maxsize=None)
def enable_cpu() -> None:
    """Let MMEngine train without an accelerator; with one, change nothing.

    MMEngine 0.10.7 takes for granted that there is one:

    - ``AmpOptimWrapper`` asserts it. Autocast on CPU runs in bfloat16, which
      needs no loss scaling: the scaler is there and switched off.
    - ``init_dist`` sets a CUDA device and keeps the config's nccl, and the
      runner hands ``device_ids`` to ``DistributedDataParallel``, which
      refuses them for a model on CPU.
    - Nothing leaves the process group at the end. Then a thread of gloo that
      still lets go of a tensor, and needs the interpreter for it, aborts the
      process that had finished; half a second is what it gets
      (https://github.com/pytorch/pytorch/pull/179291).

    Every ``nn.Conv3d`` gets right gradients in bfloat16, see ``Conv3d`` of
    ``models/layers.py``.
    """
    if get_device() != 'cpu' or not _at_most('mmengine', '0.10.7'):
        return
    from mmengine.dist import utils
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim.optimizer import amp_optimizer_wrapper as amp

    from .models.layers import Conv3d

    nn.Conv3d.forward = Conv3d.forward
    amp.is_cuda_available = lambda: True
    amp.GradScaler = functools.partial(
        torch.amp.GradScaler, 'cpu', enabled=False)

    def init_gloo(backend: str, init_backend: str = 'torch', **kwargs) -> None:
        torch.distributed.init_process_group(backend='gloo', **kwargs)
        atexit.register(leave)

    def leave() -> None:
        if torch.distributed.is_initialized():
            time.sleep(0.5)
            torch.distributed.destroy_process_group()

    utils._init_dist_pytorch = init_gloo

    wrap = MMDistributedDataParallel.__init__

    @functools.wraps(wrap)
    def without_ids(self, module, *args, device_ids=None, **kwargs) -> None:
        wrap(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = without_ids


def load_buffers(module: nn.Module) -> None:
    """mmpretrain's Swin V2 takes buffers out of whatever it is to load.

    It then misses them under strict loading. Here what sizes determine is
    known, and a checkpoint holds it.

    Args:
        module: A network built by mmpretrain, changed in place.
    """
    for key, hook in list(module._load_state_dict_pre_hooks.items()):
        if getattr(hook.hook, '__name__', '') == '_delete_reinit_params':
            del module._load_state_dict_pre_hooks[key]


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
