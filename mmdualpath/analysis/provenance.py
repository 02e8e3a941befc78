"""Where a measured figure comes from, and whether it still holds.

A file of figures says which command wrote it, when, with what and on what, and
has a fingerprint of everything it depends on: configs, as they are resolved,
and files such as the generator of the data. Once one of them changes, the
figures are of something else, and :func:`stale` says so.
"""
import ast
import hashlib
import inspect
import json
import os
import platform
import shutil
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from textwrap import dedent
from typing import Any, Dict, Iterable, List, Mapping, Sequence

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

from .complexity import view_of
from .structure import build_structure

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
    """The checkout's commit, ``-dirty`` if code in it is changed.

    ``unknown`` where there is no checkout.
    """

    def git(*args: str) -> str:
        if shutil.which('git') is None:
            return ''
        return subprocess.run(['git', *args],
                              cwd=ROOT,
                              capture_output=True,
                              text=True).stdout.strip()

    changed = git('status', '--porcelain', '--untracked-files=no', '--', '.',
                  ':!docs', ':!*.md')
    name = git('rev-parse', '--short', 'HEAD')
    return (name and name + '-dirty' * bool(changed)) or 'unknown'


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
            is resolved, or only a part of it: ``configs/….py#model``; of
            ``configs/….py#network`` what its model computes counts, see
            :func:`network`. Any other file counts by its content, code
            without its comments, docstrings and layout.

    Raises:
        ValueError: If there is no such file or part.
    """
    path, _, part = name.partition('#')
    file = ROOT / path
    if not file.is_file():
        raise ValueError(f'{name}: there is no file {path} in the checkout.')
    content = file.read_bytes()
    if path.startswith('configs/') and file.suffix == '.py':
        cfg = Config.fromfile(file)
        if part == 'network':
            content = network(cfg)
        elif part and part not in cfg:
            raise ValueError(f'{name}: the config has no {part!r}.')
        else:
            cfg = cfg.to_dict()
            content = cfg[part] if part else cfg
        content = json.dumps(content, sort_keys=True, default=repr).encode()
    elif part:
        raise ValueError(f'{name}: only a config has parts.')
    elif file.suffix == '.py':
        content = repr(code_of(ast.parse(content))).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def code_of(node: Any) -> Any:
    """Syntax as nested lists, without docstrings and what is left out.

    Equal in all versions of Python, which ``ast.dump`` is not.
    """
    if isinstance(node, list):
        return [code_of(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    body = fields.get('body')
    if isinstance(body, list) and body and isinstance(
            body[0], ast.Expr) and isinstance(body[0].value,
                                              ast.Constant) and isinstance(
                                                  body[0].value.value, str):
        fields['body'] = body[1:]
    return [type(node).__name__] + [[key, code_of(value)]
                                    for key, value in fields.items()
                                    if value not in (None, [])]


def network(cfg: Config) -> List[Any]:
    """What a config's model computes, as far as speed and memory go.

    The shape of a test view, the classes of the modules, the shapes of their
    parameters and which of them train, and how those of this package compute
    (``forward``); neither weights nor dropout nor how they are initialised.

    Args:
        cfg: A config of a video model.
    """
    scope = DefaultScope.get_current_instance()
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    try:
        model = build_structure(cfg.model)
    finally:
        if scope is not None:
            init_default_scope(scope.scope_name)
    parts: List[Any] = [list(view_of(cfg).shape)]
    forwards = {}
    for name, module in model.named_modules():
        kind = type(module)
        parts.append([name, kind.__name__] +
                     [[key, list(p.shape), p.requires_grad]
                      for key, p in module.named_parameters(recurse=False)])
        if kind.forward.__module__.startswith('mmdualpath.'):
            forwards[kind.__name__] = code_of(_Lengths().visit(
                ast.parse(dedent(inspect.getsource(kind.forward)))))
    return [parts, forwards]


class _Lengths(ast.NodeTransformer):
    """``x.shape[0]`` is ``len(x)``, of whatever it is traced from."""

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if ast.unparse(node).endswith('.shape[0]'):
            name = ast.Name('len', ast.Load())
            return ast.Call(name, [node.value.value], [])
        return node


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
