"""Read the tensors of a file without running what is in it.

Pickles are read by torch with ``weights_only=True``. A TorchScript archive is
a program; its tensors are read here and its code stays where it is.
"""
import argparse
import fcntl
import hashlib
import io
import json
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import (Any, Callable, Dict, Iterator, List, NamedTuple, Optional,
                    Tuple)
from urllib.parse import urlparse

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ..complete import listed
from .base import StateDict
from .formats import convert_trained
from .writing import NOTES

PICKLE, ZIP = b'\x80', b'PK'  # how files of torch before 1.6 begin, and since
TRUST = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
# Containers that published files keep their tensors in.
CONTAINERS = ('state_dict', 'model', 'module', 'model_state')
RELEASED = 'mmdualpath://'  # what comes with the package
# Configs that Hugging Face and open_clip put beside their files; what a later
# one says holds.
SIDECARS = ('video_preprocessor_config.json', 'preprocessor_config.json',
            'config.json', 'open_clip_config.json')
# Files of a folder or of a repository in the hub, the preferred one first.
INDEX = '.index.json'  # says which file each tensor of a large model is in
WEIGHTS = ('model.safetensors', f'model.safetensors{INDEX}',
           'pytorch_model.bin', f'pytorch_model.bin{INDEX}')
HUB, TIMM_NAME = 'hf-hub:', 'timm:'


class Checkpoint(NamedTuple):
    """What a file of weights says.

    Attributes:
        tensors: By name.
        config: What the configs beside a local file say, and as ``cfg`` the
            text of the one that a run of MMEngine keeps in its file.
    """
    tensors: StateDict
    config: Dict[str, Any]


def read_checkpoint(checkpoint: str) -> Checkpoint:
    """Tensors of a checkpoint, and the config beside it.

    Args:
        checkpoint: Path or URL of a file: torch's own (also a TorchScript
            archive), safetensors, numpy's ``.npz``, or the index of one that
            is cut in parts; a folder with a file as Hugging Face calls it;
            ``hf-hub:OWNER/NAME``, a repository of its hub, or
            ``timm:NAME.TAG``, weights by timm's name; ``mmdualpath://NAME``,
            which comes with the package; or whatever MMEngine's
            ``CheckpointLoader`` has a scheme for.

    Raises:
        ValueError: If the file needs arbitrary unpickling, holds no tensors,
            is not all there, or cannot be fetched.
    """
    if checkpoint.startswith(TIMM_NAME):
        checkpoint = _published(checkpoint[len(TIMM_NAME):])
    path, config = _local(checkpoint), {}
    if path is None:
        content = CheckpointLoader.load_checkpoint(
            checkpoint, map_location='cpu')
    else:
        content = read_file(path)
        folder = path if path.is_dir() else path.parent
        for beside in map(folder.joinpath, SIDECARS):
            if '://' not in checkpoint and beside.is_file():
                config.update(json.loads(beside.read_text()))
    tensors = tensors_in(content)
    meta = content.get('meta')
    if isinstance(meta, dict) and isinstance(meta.get('cfg'), str):
        config['cfg'] = meta['cfg']
    if not tensors:
        raise ValueError(f'{checkpoint} holds no tensors; its entries are '
                         f'{", ".join(map(str, list(content)[:8]))}.')
    return Checkpoint(tensors, config)


def tensors_in(content: Dict[str, Any]) -> StateDict:
    """The tensors of a file's content, wherever in it they are kept."""
    for container in CONTAINERS:
        if isinstance(content.get(container), dict):
            content = content[container]
    return {n: t for n, t in content.items() if isinstance(t, Tensor)}


def read_file(path: Path, map_location: Any = 'cpu') -> Dict[str, Any]:
    """Content of a local file, whose kind its first bytes tell.

    Args:
        path: A file, the index of one that is cut in parts, or a folder.
        map_location: Where tensors go.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it needs arbitrary unpickling, is truncated or holds no
            weights.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        found = [path / n for n in WEIGHTS if (path / n).is_file()]
        if not found:
            raise FileNotFoundError(f'{path} has no weights; looked for '
                                    f'{", ".join(WEIGHTS)}.')
        path = found[0]
    if path.name.endswith(INDEX) and path.is_file():
        return _read_parts(path, map_location)
    if not path.is_file():
        raise FileNotFoundError(f'{path} is not a file.')
    with path.open('rb') as file:
        start = file.read(9)
    if start[8:9] == b'{':
        return read_safetensors(path, map_location)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if all(n.endswith('.npy') for n in names):
                return _read_npz(path)
            if any(n.endswith('/constants.pkl') for n in names):
                return _read_torchscript(archive)
    elif start[:2] == ZIP or not start:
        raise _truncated(path, 'it has no end')
    elif start[:1] != PICKLE:
        raise ValueError(f'{path} holds no weights: is it a web page, or a '
                         'pointer of git-lfs?')
    try:
        # MAE and what follows it keep the options of the run beside weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location=map_location)
    except (EOFError, RuntimeError, pickle.UnpicklingError) as error:
        if isinstance(
                error,
                EOFError) or 'EOF' in str(error) or 'truncated' in str(error):
            raise _truncated(path, error) from error
        if isinstance(error, RuntimeError):
            raise
        raise ValueError(
            f'{path} is refused: it holds more than tensors and plain values, '
            'and reading the rest may run any code. If you trust where it '
            f'comes from, set the environment variable {TRUST}=1. '
            f'({str(error).splitlines()[0]})') from error


def _truncated(path: Path, why: Any) -> ValueError:
    why = str(why).splitlines()[0] if str(why) else 'it has no end'
    return ValueError(f'{path} is truncated ({why}): copy or download it '
                      'again.')


def read_safetensors(path: Path, map_location: Any = 'cpu') -> Dict[str, Any]:
    """A safetensors file in the form of a checkpoint of MMEngine.

    Returns:
        ``state_dict``, and what else :func:`write_checkpoint` keeps.
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ImportError(f'{path} needs safetensors: pip install '
                          'safetensors.') from error
    device = torch.device(
        map_location
        or 'cpu') if not callable(map_location) else torch.device('cpu')
    try:
        with safe_open(path, framework='pt', device=str(device)) as file:
            notes = json.loads((file.metadata() or {}).get(NOTES, '{}'))
            tensors = {n: file.get_tensor(n) for n in file.keys()}
    except SafetensorError as error:
        raise _truncated(path, error) from error
    for name, original in notes.get('shared', {}).items():
        tensors[name] = tensors[original]
    content: Dict[str, Any] = dict(meta=notes.get('meta', {}), state_dict={})
    for name, tensor in tensors.items():
        part, _, name_there = name.rpartition('::')
        content.setdefault(part or 'state_dict', {})[name_there] = tensor
    return content


def _read_parts(index: Path, map_location: Any) -> Dict[str, Any]:
    """The tensors that an index lists, each from its file.

    Raises:
        ValueError: If a file has others than the index says.
    """
    places = json.loads(index.read_text())['weight_map']
    tensors: StateDict = {}
    for name in sorted(set(places.values())):
        part = tensors_in(read_file(index.with_name(name), map_location))
        listed_here = {n for n, file in places.items() if file == name}
        if set(part) != listed_here:
            wrong = sorted(set(part) ^ listed_here)
            raise ValueError(f'{index.with_name(name)} has not the tensors '
                             f'that {index.name} lists: {listed(wrong)}.')
        tensors.update(part)
    return tensors


def _read_npz(path: Path) -> StateDict:
    with np.load(path, allow_pickle=False) as arrays:
        return {n: torch.from_numpy(arrays[n]) for n in arrays.files}


def _local(checkpoint: str) -> Optional[Path]:
    """Path of a file, downloaded first if need be; None for other schemes."""
    scheme = urlparse(checkpoint).scheme
    if scheme in ('http', 'https'):
        return _download(checkpoint)
    if checkpoint.startswith(RELEASED):
        return _released(checkpoint)
    if checkpoint.startswith(HUB):
        return _from_hub(checkpoint[len(HUB):])
    return None if '://' in checkpoint else Path(checkpoint).expanduser()


def _released(checkpoint: str) -> Path:
    """Path of a file that comes with the package.

    Raises:
        ValueError: If there is no such file.
    """
    folder = Path(__file__).parents[2] / 'released'
    path = folder / checkpoint[len(RELEASED):]
    if not path.is_file():
        names = ', '.join(sorted(p.name for p in folder.glob('*.pth')))
        raise ValueError(f'{checkpoint}: no such file comes with the package, '
                         f'only {names}.')
    return path


def _published(name: str) -> str:
    """Where timm publishes weights.

    Raises:
        ImportError: If timm is not installed.
        ValueError: If it publishes none of this name.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(f'{TIMM_NAME}{name} needs timm: pip install '
                          "'mmdualpath[timm]'.") from error
    if not timm.is_model_pretrained(name):
        raise ValueError(f'{TIMM_NAME}{name}: timm {timm.__version__} '
                         'publishes no weights of this name.')
    config = timm.get_pretrained_cfg(name)
    return f'{HUB}{config.hf_hub_id}' if config.hf_hub_id else config.url


def _from_hub(name: str) -> Path:
    """Folder with the weights of a repository and what lies beside them.

    Raises:
        ImportError: If huggingface_hub is not installed.
        ValueError: If they cannot be fetched.
    """
    try:
        from huggingface_hub import constants, errors, hf_hub_download
    except ImportError as error:
        raise ImportError(f'{HUB}{name} needs huggingface_hub: pip install '
                          "'mmdualpath[timm]'.") from error
    tried: List[str] = []

    def fetch(file: str) -> Optional[Path]:
        tried.append(file)
        try:
            return Path(hf_hub_download(name, file))
        except errors.LocalEntryNotFoundError:
            raise  # the network, not the repository
        except errors.EntryNotFoundError:
            return None

    try:
        for beside in SIDECARS:
            fetch(beside)
        weights = next(filter(None, map(fetch, WEIGHTS)), None)
        if weights is not None and weights.name.endswith(INDEX):
            parts = json.loads(weights.read_text())['weight_map'].values()
            for part in sorted(set(parts)):
                fetch(part)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'{HUB}{name}: {", ".join(tried)} of {constants.ENDPOINT}/{name} '
            'cannot be fetched. Where there is no network, copy its files '
            'into a folder and give that. '
            f'({" ".join(str(error).split())})') from error
    if weights is None:
        raise ValueError(f'{HUB}{name}: the repository has none of '
                         f'{", ".join(WEIGHTS)}.')
    return weights


def _download(url: str) -> Path:
    """Into torch's cache, by the first process that asks; others wait for it.

    So each machine has the file, whether the cache is its own or shared, and
    whatever started the processes. Files of many models are called
    ``model.safetensors``: the address is part of the name in the cache.
    """
    key = hashlib.sha256(url.encode()).hexdigest()[:8]
    path = Path(torch.hub.get_dir(), 'checkpoints',
                f'{key}-{Path(urlparse(url).path).name}')
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix('.lock').open('w') as lock:
        # Some network disks have no locks: there all download, and each gives
        # the file its name once it is whole. A lock is released with its file.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            torch.hub.download_url_to_file(url, str(path))
    return path


class _Module:
    """Stands in for every class a TorchScript archive defines."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def tensors(self, prefix: str = '') -> Iterator[Tuple[str, Tensor]]:
        """Parameters, buffers and tensor attributes, by dotted name."""
        state = self.state if isinstance(self.state, dict) else {}
        for name, value in state.items():
            if isinstance(value, _Module):
                yield from value.tensors(f'{prefix}{name}.')
            elif isinstance(value, Tensor):
                yield prefix + name, value


class _ArchiveUnpickler(pickle.Unpickler):
    """Unpickles modules and tensors, and refuses everything else."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(root + 'data.pkl')))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Callable:
        if module.split('.')[0] == '__torch__':
            return _Module
        if (module, name) == ('collections', 'OrderedDict'):
            return dict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return self._tensor
        if module == 'torch' and name.endswith('Storage'):
            return getattr(torch, name)
        if module == 'torch.jit._pickle':  # typed lists and tags
            return lambda value, *types: value
        raise ValueError(f'A TorchScript archive of weights holds no '
                         f'{module}.{name}; this one is refused.')

    def persistent_load(self, storage: tuple) -> Tensor:
        _, kind, key, _, _ = storage
        data = bytearray(self._archive.read(f'{self._root}data/{key}'))
        return torch.frombuffer(data, dtype=kind.dtype) if data \
            else torch.empty(0, dtype=kind.dtype)

    @staticmethod
    def _tensor(storage: Tensor, offset: int, size: tuple, stride: tuple,
                *rest: Any) -> Tensor:
        return storage.as_strided(size, stride, offset)


def _read_torchscript(archive: zipfile.ZipFile) -> StateDict:
    root = next(n for n in archive.namelist() if n.endswith('/constants.pkl'))
    root = root[:-len('constants.pkl')]
    return dict(_ArchiveUnpickler(archive, root).load().tensors())


@CheckpointLoader.register_scheme(prefixes='', force=True)
def load_from_local(filename: str, map_location: Any = None) -> Dict[str, Any]:
    """MMEngine's loader of local files, for more kinds of them.

    ``load_from``, ``--resume``, ``tools/test.py`` and the inferencers read
    safetensors and authors' trained models through it, and a refusal names
    the switch.
    """
    return _read_model(Path(filename), Path(filename).name, map_location)


@CheckpointLoader.register_scheme(prefixes=('http://', 'https://'), force=True)
def load_from_http(filename: str, map_location: Any = None) -> Dict[str, Any]:
    """The same for files at a URL."""
    name = Path(urlparse(filename).path).name
    return _read_model(_download(filename), name, map_location)


@CheckpointLoader.register_scheme(prefixes=RELEASED)
def load_from_package(filename: str,
                      map_location: Any = None) -> Dict[str, Any]:
    """The same for files that come with the package."""
    path = _released(filename)
    return _read_model(path, path.name, map_location)


def _read_model(path: Path, name: str, map_location: Any) -> Dict[str, Any]:
    """A file's content, an authors' trained model under this package's names.
    """
    content = read_file(path, map_location)
    found = convert_trained(tensors_in(content))
    if found is None:
        return content
    left_out = listed(found.left_out, 4) or 'nothing'
    print_log(
        f'{name} is a whole model ({found.format.name}): its tensors get the '
        f'names of this package; {left_out} left out.',
        logger='current')
    return dict(
        meta=dict(format=found.format.name, source=name),
        state_dict=found.tensors)
