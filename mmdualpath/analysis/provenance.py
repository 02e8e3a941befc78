"""Where a measured figure comes from, and whether it still holds.

A file of figures says which command wrote it, when, with what and on what, and
has a fingerprint of everything it depends on: configs, as they are resolved,
and files such as the generator of the data. Once one of them changes, the
figures are of something else, and :func:`stale` says so.
"""
import hashlib
import json
import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence

import torch
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
PACKAGES = ('torch', 'mmengine', 'mmaction2', 'mmpretrain')


def machine(device: str = 'cpu',
            packages: Sequence[str] = PACKAGES) -> Dict[str, Any]:
    """Kind of machine and versions, without names of hosts.

    Args:
        device: ``cpu`` or ``cuda``.
        packages: Packages whose versions matter.
    """
    cpu = platform.processor() or platform.machine()
    info = Path('/proc/cpuinfo')
    if info.is_file():
        cpu = next((line.split(':')[1].strip()
                    for line in info.read_text().splitlines()
                    if line.startswith('model name')), cpu)
    return dict(
        cpu=cpu,
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if device == 'cuda' else None,
        python=platform.python_version(),
        **{name: version(name)
           for name in packages})


def commit() -> str:
    """The checkout's commit, ``unknown`` where there is none."""
    answer = subprocess.run(['git', 'rev-parse', '--short', 'HEAD'],
                            cwd=ROOT,
                            capture_output=True,
                            text=True)
    return answer.stdout.strip() or 'unknown'


def provenance(command: str,
               depends: Iterable[str],
               device: str = 'cpu',
               packages: Sequence[str] = PACKAGES) -> Dict[str, Any]:
    """What a file of figures begins with.

    Args:
        command: What to type to measure again.
        depends: See :func:`fingerprint`.
        device: ``cpu`` or ``cuda``.
        packages: Packages whose versions matter.

    Returns:
        ``command``, ``date``, ``commit``, ``machine`` and ``depends``.
    """
    return dict(
        command=command,
        date=str(date.today()),
        commit=commit(),
        machine=machine(device, packages),
        depends={name: fingerprint(name)
                 for name in depends})


def fingerprint(name: str) -> str:
    """A short SHA-256 of something that figures depend on.

    Args:
        name: Path in the checkout. A config, ``configs/….py``, counts as it
            is resolved, or only a part of it: ``configs/….py#model``. Any
            other file counts by its content.

    Raises:
        ValueError: If there is no such file or part.
    """
    path, _, part = name.partition('#')
    file = ROOT / path
    if not file.is_file():
        raise ValueError(f'{name}: there is no file {path} in the checkout.')
    content = file.read_bytes()
    if path.startswith('configs/') and file.suffix == '.py':
        config = Config.fromfile(file).to_dict()
        if part and part not in config:
            raise ValueError(f'{name}: the config has no {part!r}.')
        content = json.dumps(
            config[part] if part else config, sort_keys=True,
            default=repr).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def stale(content: Mapping[str, Any]) -> List[str]:
    """What figures depend on that is not as it was.

    Args:
        content: A file of figures.
    """

    def now(name: str) -> str:
        try:
            return fingerprint(name)
        except ValueError:
            return 'gone'

    return [
        name for name, before in content['depends'].items()
        if now(name) != before
    ]
