"""The pages of the documentation, and what stands in for data and GPUs.

The blocks of shell and Python on a page are run as they stand, one after the
other, in one shell. A comment in front of a block says where that needs a
stand-in; it is a mapping in YAML:

    <!-- run: {in: tiny, where: {'8': '1', CHECKPOINT: a.pth}} -->

- ``in``: the checkout to run in, by default one as it is. ``tiny`` has the
  configs that the page names with networks of two blocks for 64 pixels and
  one epoch, and a few rendered videos where these look for their data.
  ``digits`` has a few of the quickstart's videos and what its training leaves
  in ``work_dirs``.
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
import re
import shlex
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List

import torch
import yaml
from helpers import CONFIGS, PIXELS, ROOT, load_tool, shrink
from mmengine.config import Config

sys.path.append(str(ROOT / 'tests/models/weights'))
import references  # noqa: E402

PAGES = sorted([
    ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/**/*.md'),
    *CONFIGS.rglob('README.md')
])
# Why a block is not run, and nothing else is a reason.
REASONS = (
    'it installs from the network',
    'it runs these tests',
    'it needs a GPU',
    'it takes hours',
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


# ---- stand-ins ------------------------------------------------------------


def copy_checkout(folder: Path) -> Path:
    """A copy of what is tracked here."""

    def left_out(place: str, names: List[str]) -> List[str]:
        here = Path(place) == ROOT
        return [
            n for n in names
            if n == '__pycache__' or here and (n.startswith('.') or n in (
                'checkpoints', 'data', 'work_dirs', 'build', 'dist', 'shared'))
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
PREPARE_DIGITS = f'''
python tools/data/render_digits.py data/digits --train-videos 16 \\
    --test-videos 8 --images 16 --processes 1 > render.log 2>&1
python tools/train.py configs/{DIGITS}.py > train.log 2>&1
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
