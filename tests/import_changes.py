"""Print what ``import mmdualpath`` changes in the packages it stands on.

Run as a program, with the folder of the package. All modules that the import
brings along are imported without it, every attribute of the packages' modules
and classes is noted, and compared afterwards: a JSON object of what changed
and, of collections, the entries that did and whether they are new.
"""
import importlib
import json
import subprocess
import sys
import types
from typing import Any, Dict, Optional, Tuple

from mmengine.registry import Registry

PACKAGES = ('torch', 'mmengine', 'mmcv', 'mmaction', 'mmpretrain')
ALIVE = []  # what is noted by its id must not go


def entries(value: Any) -> Optional[Dict[str, int]]:
    """Entries of a collection that may change in place."""
    if isinstance(value, Registry):
        value = value.module_dict
    if isinstance(value, dict):
        return {repr(k): id(v) for k, v in value.items()}
    if type(value) in (list, set):
        return {repr(v): id(v) for v in value}
    return None


def snapshot() -> Tuple[Dict[str, Any], Dict[int, tuple]]:
    """Attributes by full name, and collections by id, under one name."""
    attributes: Dict[str, Any] = {}
    for name, module in list(sys.modules.items()):
        if name.split('.')[0] not in PACKAGES:
            continue
        attributes[name] = module
        for key, value in list(vars(module).items()):
            if isinstance(value, types.ModuleType) or key.startswith('__'):
                continue
            attributes[f'{name}.{key}'] = value
            if isinstance(value, type) and value.__module__ == name:
                attributes.update({
                    f'{name}.{key}.{part}': inner
                    for part, inner in vars(value).items()
                })
    ALIVE.append(attributes)
    collections: Dict[int, tuple] = {}
    for name in sorted(attributes, key=len):
        value = attributes[name]
        if id(value) not in collections:
            try:
                collections[id(value)] = name, entries(value)
            except Exception:  # such as a proxy that cannot be listed
                pass
    return attributes, collections


def changes(before: tuple, after: tuple) -> Dict[str, Dict[str, bool]]:
    """Names that lead elsewhere, and collections with other entries.

    Returns:
        Of collections, the entries that differ and whether they are new.
    """
    found: Dict[str, Dict[str, bool]] = {}
    for name in sorted({*before[0], *after[0]}, key=len):
        if before[0].get(name) is not after[0].get(name) \
                and name.rpartition('.')[0] not in found:
            found[name] = {}
    for key, (name, old) in before[1].items():
        new = after[1].get(key, (name, old))[1]
        if old != new and old is not None and new is not None:
            found[name] = {
                k: k not in old
                for k in {*old, *new} if old.get(k) != new.get(k)
            }
    return found


def bring(names: list) -> None:
    """Import what can be imported."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            pass


def main() -> None:
    code = 'import json, sys, mmdualpath; print(json.dumps([*sys.modules]))'
    listed = subprocess.run([sys.executable, '-W', 'ignore', '-c', code],
                            stdout=subprocess.PIPE,
                            check=True).stdout
    names = [
        name for name in json.loads(listed.splitlines()[-1])
        if name.split('.')[0] != 'mmdualpath'
    ]
    bring(names)
    start = snapshot()
    # Some can be imported only with what the package does first of all.
    package = types.ModuleType('mmdualpath')
    package.__path__ = sys.argv[1:]
    sys.modules['mmdualpath'] = package
    importlib.import_module('mmdualpath.compat').apply()
    found = changes(start, snapshot())
    bring(names)
    start = snapshot()
    for name in ('mmdualpath', 'mmdualpath.compat'):
        del sys.modules[name]
    importlib.import_module('mmdualpath')
    found.update(changes(start, snapshot()))
    print(json.dumps(found))


if __name__ == '__main__':
    main()
