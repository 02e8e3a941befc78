"""What the documentation tells to type works, as it stands there."""
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pages
import pytest
from helpers import ROOT, free_port
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
    env = environment(
        PATH=path, PYTHON_EXEC=str(programs / 'python'), PORT=str(free_port()))
    env.pop('PYTHONPATH', None)
    return subprocess.run(['bash', file],
                          env=env,
                          stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          text=True,
                          timeout=500)


NAMES = [str(p.relative_to(ROOT)) for p in pages.PAGES]
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


@pytest.mark.parametrize('page', pages.PAGES, ids=NAMES)
def test_commands_can_be_typed(page):
    """Files, configs, options and extras of what stands in the text."""
    for command in pages.commands(page.read_text()):
        pages.check_command(command)


@pytest.mark.parametrize('command, message', [
    ('python tools/nothing.py', 'no tools/nothing.py'),
    ('python tools/complexity.py configs/nothing.py', 'no configs/nothing.py'),
    ('python tools/predict.py a.mp4 --windows 2', 'unrecognized'),
    ('tools/predict.py --windows 2', '--windows'),
    ('bash tools/dist_train.sh configs/dualpath_vitb_ssv2.py 8 --epochs 3',
     'unrecognized'),
    ('python tools/benchmark.py models --clock sun --out a', 'sun'),
    ('pip install -e ".[nothing]"', 'extras'),
    ('mim train mmaction configs/nothing.py', 'nothing.py'),
])
def test_what_cannot_be_typed(command, message):
    with pytest.raises(ValueError, match=message):
        pages.check_command(command)


def test_options_in_the_text_are_there():
    """Such as those of the tables that explain a program."""
    # of mim, pip and all programs
    options = {
        '--gpus', '--launcher', '--valid-config', '--trace', '--no-deps'
    }
    for path in (ROOT / 'tools').rglob('*.py'):
        text = path.read_text()
        if 'ArgumentParser(' in text or 'run_stock(' in text:
            options |= pages.options_of(pages.parse_of(path).args[0])
    for page in pages.PAGES:
        for span in pages.spans(page.read_text()):
            for word in re.findall(r'(?<!\S)--[a-z][\w-]+', span):
                assert word in options, f'{page.name}: {span}'


def test_tests_in_the_text_are_there():
    there = {
        name
        for path in (ROOT / 'tests').rglob('test_*.py')
        for name in (path.name,
                     *re.findall(r'^def (test_\w+)', path.read_text(), re.M))
    }
    for page in pages.PAGES:
        for span in pages.spans(page.read_text()):
            for name in re.findall(r'\btest_\w+\.py|(?<=::)test_\w+', span):
                assert name in there, f'{page.name}: {span}'


@pytest.mark.parametrize('page', pages.PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        path, _, anchor = link.partition('#')
        if ':' in path:
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        if anchor:
            titles = re.findall(r'^#+ (.*)', target.read_text(), re.M)
            assert anchor in {
                re.sub(r'[^\w -]', '', t.lower()).replace(' ', '-')
                for t in titles
            }, link


def test_pictures_name_their_command():
    """It stands in the section that shows one, or begins the page."""
    drawn = set()
    for page in pages.PAGES:
        intro, *sections = re.split(r'^## ', page.read_text(), flags=re.M)
        if page.name == 'README.md':
            sections, intro = [intro, *sections], ''
        for section in sections:
            if re.search(r'\btools/[\w/]+\.(py|sh)', intro + section):
                drawn |= {(page.parent / path).resolve()
                          for path in re.findall(r'\]\(([^)]+\.png)\)', intro +
                                                 section)}
    there = {p.resolve() for p in (ROOT / 'docs').rglob('*.png')}
    assert drawn == there
