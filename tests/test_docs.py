"""What the documentation tells to type works, as it stands there."""
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pages
import pytest
from helpers import ROOT
from python_server import write_client

MIM = '''#!/usr/bin/env bash
# What openmim runs: the program of the package, and its config by name.
set -euo pipefail
task=$1 package=$2 config=$3
shift 3
[ "${1-}" = --checkpoint ] && shift
folder=$(python -c "import importlib.util as u, pathlib as p
print(p.Path(u.find_spec('$package').origin).parent / '.mim')")
[ -e "$config" ] || config=$(find -L "$folder/configs" -name "$config")
exec python "$folder/tools/$task.py" "$config" "$@"
'''
TORCHRUN = '''#!/usr/bin/env bash
exec python -m torch.distributed.run "$@"
'''


@pytest.fixture(scope='module')
def programs(tmp_path_factory):
    """A folder with the python, mim and torchrun that a page finds."""
    folder = tmp_path_factory.mktemp('bin')
    path = folder / 'socket'
    write_client(folder / 'python', path)
    for name, text in (('mim', MIM), ('torchrun', TORCHRUN)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    server = subprocess.Popen([
        sys.executable, '-W', 'ignore', ROOT / 'tests/python_server.py', path
    ],
                              env=environment())
    while not path.exists():
        assert server.poll() is None
        time.sleep(0.1)
    yield folder
    server.kill()
    server.wait()


def environment(**more) -> dict:
    """Without a GPU, and without what tests of others set."""
    return dict(
        os.environ,
        CUDA_VISIBLE_DEVICES='',
        OMP_NUM_THREADS='1',
        PYTHONWARNINGS='ignore',
        PYTHONDONTWRITEBYTECODE='1',
        **more)


def run(script: str, folder: Path, programs: Path,
        checkout: Path) -> subprocess.CompletedProcess:
    file = folder / 'page.sh'
    file.write_text(script)
    path = os.pathsep.join(
        [str(programs),
         str(Path(sys.executable).parent), os.environ['PATH']])
    env = environment(PATH=path, PYTHON_EXEC=str(programs / 'python'))
    env.pop('PYTHONPATH', None)
    return subprocess.run(['bash', file],
                          env=env,
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          text=True,
                          timeout=500)


WITH_BLOCKS = [p for p in pages.PAGES if pages.blocks(p.read_text())]


@pytest.mark.parametrize(
    'page', WITH_BLOCKS, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_run(page, programs, tmp_path):
    text = page.read_text()
    names = {b.run.get('in', '') for b in pages.blocks(text) if not b.skipped}
    folders = {}
    for name in names:
        make = pages.STAND_INS[name]
        folders[name] = make(tmp_path / (name or 'usual'), text)
    result = run(pages.script(text, folders), tmp_path, programs, tmp_path)
    shutil.rmtree(tmp_path, ignore_errors=True)
    assert result.returncode == 0, (
        f'{page.relative_to(ROOT)}, {result.stdout[-6000:]}')
