"""The pages of the documentation, and what stands in for data and GPUs.

The blocks of shell and Python on a page are run as they stand, one after the
other, in one shell. A comment in front of a block says where that needs a
stand-in; it is a mapping in YAML:

    <!-- run: {in: tiny, where: {'8': '1', CHECKPOINT: a.pth}} -->

- ``in``: the checkout to run in, by default one as it is. ``tiny`` has the
  configs that the page names with networks of two blocks for 64 pixels and
  one epoch, and a few rendered videos where these look for their data.
  ``digits`` has a few of the quickstart's videos.
- ``where``: words that are replaced, such as placeholders or a number of GPUs.
- ``add``: options behind each command of the block.
- ``before``: a line of shell that makes what the block takes for granted.
- ``file``: the name of the file that a block of Python is; it is not run by
  itself.
- ``base``: a config that a part of a config goes on from, in such a file.
- ``then``: a line of shell that uses the block, for one that does nothing by
  itself.
- ``continues``: a block of Python that goes on from the one before it.

    <!-- not run: it needs a GPU -->

The reason is one of ``REASONS``. Such a block's commands are still parsed, as
those in the text are.
"""
import argparse
import configparser
import importlib.util
import re
import runpy
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Set
from unittest import mock

import torch
import yaml
from helpers import CONFIGS, PIXELS, ROOT, load_tool, shrink
from mmengine.config import Config
from packaging.requirements import Requirement

sys.path.append(str(ROOT / 'tests/models/weights'))
import references  # noqa: E402

PAGES = sorted([
    ROOT / 'README.md', ROOT / 'CONTRIBUTING.md',
    ROOT / 'mmdualpath/released/README.md', *ROOT.glob('docs/**/*.md'),
    *CONFIGS.rglob('README.md')
])
# Why a block is not run, and nothing else is a reason.
REASONS = (
    'it installs from the network',
    'it runs these tests',
    'it needs a GPU',
    'it takes hours',
    'it measures for ten minutes',
    'openmim is not among the requirements',
    '.ci/run runs it from nothing to the end',
)
KEYS = {'in', 'where', 'add', 'before', 'file', 'base', 'then', 'continues'}
FENCE = re.compile(r'(?:<!-- (not run|run): (.*?) -->\n)?```(\w+)\n(.*?)^```$',
                   re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: Where it begins.
        language: ``shell`` or ``python``.
        code: What stands in it.
        skipped: Why it is not run, if it is not.
        run: How it is run, see the module.
    """
    line: int
    language: str
    code: str
    skipped: str = ''
    run: Dict[str, Any] = field(default_factory=dict)


def blocks(page: str) -> List[Block]:
    """The blocks of a page.

    Raises:
        ValueError: If a comment says what there is not.
    """
    found = []
    for match in FENCE.finditer(page):
        kind, told, language, code = match.groups()
        line = page[:match.start(4)].count('\n')
        run = yaml.safe_load(told) if kind == 'run' else {}
        wrong = set(run) - KEYS
        skipped = ' '.join(told.split()) if kind == 'not run' else ''
        if language not in ('shell', 'python',
                            'text') or wrong or (skipped
                                                 and skipped not in REASONS):
            raise ValueError(f'line {line}: {language} {wrong} {skipped}')
        for word in run.get('where', {}):
            if not re.search(standing(word), code):
                raise ValueError(f'line {line}: there is no {word}')
        found.append(Block(line, language, code, skipped, run))
    fences = len(re.findall(r'^```\w', page, re.M))
    if len(found) != fences:
        raise ValueError(f'{fences} blocks, {len(found)} found')
    return found


def standing(word: str) -> str:
    """A pattern of a word that is no part of another one."""
    return rf'(?<![\w-]){re.escape(word)}(?![\w-])'


def script(page: str, folders: Dict[str, Path]) -> str:
    """A shell script that runs the blocks of a page, one after the other.

    Args:
        page: Its text.
        folders: A checkout for every stand-in; ``''`` is the usual one.
    """
    lines, before = ['set -euo pipefail'], ''
    if 'digits' in folders:
        lines += [
            f'cd {folders["digits"]}', 'export CHECKOUT=$PWD', PREPARE_DIGITS
        ]
    for number, block in enumerate(blocks(page)):
        run, code = block.run, block.code
        if block.skipped or block.language == 'text':
            continue
        for word, other in run.get('where', {}).items():
            code = re.sub(standing(word), str(other), code)
        folder = folders[run.get('in', '')]
        lines += [
            f'cd {shlex.quote(str(folder))}', 'export CHECKOUT=$PWD',
            f'echo "== line {block.line}" >&2',
            *([run['before']] if 'before' in run else [])
        ]
        if block.language == 'shell':
            if 'add' in run:
                code = re.sub(
                    r'(?<!\\)$', f' {run["add"]}', code.strip(), flags=re.M)
            lines.append(code)
        else:
            if run.get('continues'):
                code = f'{before}\n{code}'
            if 'base' in run:
                code = f'_base_ = [{run["base"]!r}]\n{code}'
            before = code
            name = run.get('file', f'block{number}.py')
            (folder / name).write_text(code)
            if 'file' not in run:
                lines.append(f'python {name}')
        lines += [run['then']] if 'then' in run else []
    return '\n'.join(lines) + '\n'


# ---- commands in the text -------------------------------------------------


def spans(page: str) -> List[str]:
    """What stands between backquotes in the text, comments left out."""
    text = re.sub(r'<!--.*?-->', '', FENCE.sub('', page), flags=re.S)
    return [' '.join(s.split()) for s in re.findall(r'`([^`]+)`', text)]


def commands(page: str) -> List[str]:
    """The commands of the text, and of blocks that are not run."""
    found = [
        line for block in blocks(page)
        if block.skipped and block.language == 'shell'
        for line in re.sub(r'\\\n *', '', block.code).splitlines()
    ]
    found += [
        s for s in spans(page)
        if re.match(r'(python|bash|pip|mim) |(tools/)?[\w/]+\.(py|sh) .', s)
    ]
    return [
        part.strip() for line in found for part in line.split('&&')
        if part.strip()
    ]


class _Captured(BaseException):
    """What a program would parse its command line by."""


@lru_cache(maxsize=None)
def parse_of(path: Path) -> Callable:
    """The method of its parser by which a program parses."""

    def capture(method: Callable) -> Any:
        return mock.patch.object(
            argparse.ArgumentParser, method.__name__,
            lambda parser, *_: raise_(_Captured(partial(method, parser))))

    def raise_(error: BaseException) -> None:
        raise error

    argv = mock.patch.object(sys, 'argv', [path.name])
    places = mock.patch.object(sys, 'path', [str(path.parent), *sys.path])
    plain = capture(argparse.ArgumentParser.parse_args)
    mixed = capture(argparse.ArgumentParser.parse_intermixed_args)
    with argv, places, plain, mixed:
        try:
            runpy.run_path(str(path), run_name='__main__')
        except _Captured as captured:
            return captured.args[0]
    raise ValueError(f'{path} parses no command line')


def options_of(parser: argparse.ArgumentParser) -> Set[str]:
    """Its options, those of its subcommands too."""
    found = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found.update(*map(options_of, action.choices.values()))
    return found


def find_program(name: str) -> Path:
    """A program of the checkout, whose folder may be left out.

    Raises:
        ValueError: If there is none.
    """
    for path in (ROOT / name, *(ROOT / 'tools').rglob(Path(name).name)):
        if path.is_file():
            return path
    raise ValueError(f'there is no {name}')


def check_command(command: str) -> None:
    """Whether a command can be typed, without running it.

    Raises:
        ValueError: If a file, a config, an option or an extra is not there.
    """
    words = shlex.split(re.sub(r'\$\(.*?\)', 'X', command), comments=True)
    while words and re.fullmatch(r'\w+=\S*', words[0]):
        del words[0]  # of the environment
    if not words or words[0] in ('source', 'pre-commit', 'import', 'mv',
                                 'trtexec'):
        return
    for word in words:
        if word.startswith('configs/') and '*' not in word and not (
                ROOT / word).exists():
            raise ValueError(f'{command}: there is no {word}')
    first, *rest = words
    if first == 'pip':
        _check_pip(rest)
    elif first == 'mim':
        _check_mim(rest)
    elif first == 'python' and rest[0] == '-m':
        if importlib.util.find_spec(rest[1]) is None:
            raise ValueError(f'{command}: there is no module {rest[1]}')
    else:
        whole = first in ('python', 'bash')
        program, *rest = rest if whole else words
        path = find_program(program)
        if path.name in ('dist_train.sh', 'train_hmdb51.sh'):
            path, rest = ROOT / 'tools/train.py', [rest[0], *rest[2:]]
        elif path.name == 'dist_test.sh':
            path, rest = ROOT / 'tools/test.py', [*rest[:2], *rest[3:]]
        elif path.name in ('slurm_train.sh', 'slurm_test.sh'):
            path = path.with_name(path.name.split('_')[1])
            path, rest = path.with_suffix('.py'), rest[2:]
        if path.suffix == '.sh':
            return
        parse = parse_of(path)
        if whole:
            with mock.patch.object(argparse.ArgumentParser, 'error', _refuse):
                parse(rest)
        wrong = {w.split('=')[0]
                 for w in rest
                 if w.startswith('--')} - options_of(parse.args[0])
        if wrong:
            raise ValueError(f'{command}: there is no {wrong}')


def _refuse(parser: argparse.ArgumentParser, message: str) -> None:
    raise ValueError(f'{parser.prog}: {message}')


def _check_pip(words: List[str]) -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    extras = set(setup['options.extras_require'])
    assert words[0] in ('install', 'uninstall')
    for word in words[1:]:
        if word.startswith('-'):
            continue
        wanted = Requirement(
            word.replace('.[', 'mmdualpath[') if word[0] == '.' and word != '.'
            else 'mmdualpath' if word == '.' else word)
        if wanted.name == 'mmdualpath' and wanted.extras - extras:
            raise ValueError(f'pip install {word}: the extras are {extras}')


def _check_mim(words: List[str]) -> None:
    task, package, *rest = words
    if task not in ('train', 'test',
                    'search') or importlib.util.find_spec(package) is None:
        raise ValueError(f'mim {task} {package}')
    for word in rest[:task != 'search']:
        there = (ROOT / word).is_file() or list(CONFIGS.rglob(word))
        if not there and not word.isupper():
            raise ValueError(f'mim {task} {package}: there is no {word}')


# ---- stand-ins ------------------------------------------------------------


def copy_checkout(folder: Path) -> Path:
    """A copy of what is tracked here."""

    def left_out(place: str, names: List[str]) -> List[str]:
        here = Path(place) == ROOT
        return [
            n for n in names if n == '__pycache__' or here and
            (n.startswith('.') or n in ('checkpoints', 'data', 'work_dirs',
                                        'build', 'dist', 'shared', 'site'))
        ]

    shutil.copytree(ROOT, folder, symlinks=True, ignore=left_out)
    return folder


def named_configs(page: str) -> List[Path]:
    """The configs whose names stand in a page's blocks."""
    words = set(
        re.findall(r'[\w-]+',
                   ' '.join(f'{b.code} {b.run}' for b in blocks(page))))
    return [
        path for path in sorted(CONFIGS.rglob('*.py'))
        if path.stem in words and '_base_' not in path.parts
    ]


def write_clip(file: Path) -> None:
    """An archive as OpenAI publishes them, of a network that is tiny."""
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        clip = references.Clip(
            dims=128, heads=2, layers=2, size=PIXELS, patch=8, out=24)
        with torch.no_grad():
            images = torch.zeros(1, 3, PIXELS, PIXELS)
            torch.jit.trace(clip.eval(), images).save(file)


def make_tiny(folder: Path, page: str) -> Path:
    """The stand-in ``tiny`` for a page."""
    copy_checkout(folder)
    videos = load_tool('data/render_digits.py')
    for path in named_configs(page):
        cfg = Config.fromfile(path)
        if 'digits' in path.stem:
            continue
        backbone = cfg.model.backbone.backbone
        init_cfg = backbone.init_cfg
        shrink(cfg, dims=128, heads=2)
        if backbone.type == 'CLIPVisionTransformer':
            backbone.init_cfg = init_cfg
            write_clip(folder / init_cfg.checkpoint)
        cfg.train_cfg.update(max_epochs=1)
        cfg.param_scheduler = [dict(type='ConstantLR', factor=1.)]
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            loader.update(
                batch_size=2, num_workers=0, persistent_workers=False)
            data = loader.dataset
            place = folder / data.data_prefix.video
            if not place.exists():
                place.mkdir(parents=True)
                for index in range(4):
                    videos.render_video(index, place, 0, slice(0, 50), 16,
                                        PIXELS)
            for number in '123':
                name = re.sub(r'split_1', f'split_{number}', data.ann_file)
                (folder / name).write_text(''.join(
                    f'{index:05d}.mp4 {index % 2}\n' for index in range(4)))
        cfg.dump(folder / path.relative_to(ROOT))
    return folder


def make_digits(folder: Path, page: str) -> Path:
    """The stand-in ``digits``; the page's script renders and trains it."""
    from mmaction.registry import MODELS
    copy_checkout(folder)
    cfg = Config.fromfile(CONFIGS / f'{DIGITS}.py').model.backbone.backbone
    weights = folder / cfg.pop('init_cfg').checkpoint
    if not weights.is_file():
        weights.parent.mkdir(parents=True, exist_ok=True)
        state = MODELS.build(cfg).state_dict()
        torch.save(
            dict(state_dict={
                f'backbone.{k}': v
                for k, v in state.items()
            }), weights)
    return folder


DIGITS = 'dualpath_vit-mini_digits'
PREPARE_DIGITS = '''
python tools/data/render_digits.py data/digits --train-videos 64 \\
    --test-videos 8 --images 0 --processes 1 > render.log 2>&1
'''
STAND_INS = {
    '': lambda folder, page: copy_checkout(folder),
    'tiny': make_tiny,
    'digits': make_digits
}

if __name__ == '__main__':  # the file that a block of a page is
    place, name = sys.argv[1:]
    print(*(b.code for b in blocks(Path(place).read_text())
            if b.run.get('file') == name))
