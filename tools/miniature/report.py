"""Write docs/miniature from the results of a grid.

    python tools/miniature/report.py --grid reduced

writes ``results.md``, ``results.json`` and the plots there.
"""
import argparse
import json
import os
import platform
import statistics
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import torch
from grid import ABLATIONS, BACKBONES, BATCH, GRIDS, METHODS, TASKS, Grid
from matplotlib.figure import Figure

from mmdualpath.visualization.tradeoff import plot

TITLES = dict(vit='ViT', swin='Swin')
DOCS = Path(__file__).parents[2] / 'docs/miniature'


def collect(grid: Grid) -> Dict[str, Any]:
    """All results of a grid, by task and cell."""
    rows: Dict[Tuple[str, str], Dict[str, Any]] = {}
    commits = set()
    for task, name, seed in grid.runs():
        path = grid.place(task, name, seed) / 'result.json'
        if not path.exists():
            continue
        result = json.loads(path.read_text())
        commits.add(result['commit'])
        row = rows.setdefault((task, name),
                              dict(task=task, name=name, top1=[], seconds=[]))
        row['top1'].append(round(100 * result['top1'], 2))
        row['seconds'].append(round(result['seconds'], 1))
        row.update({k: result[k] for k in ('trainable', 'macs', 'memory')})
    pretrained = {
        name:
        json.loads(grid.pretrained(name).with_name('result.json').read_text())
        for name in BACKBONES
    }
    return dict(
        date=str(date.today()),
        commits=sorted(commits),
        machine=machine(),
        grid=asdict(grid),
        pretrained={
            k: v['accuracy/top1']
            for k, v in pretrained.items()
        },
        rows=list(rows.values()))


def machine() -> str:
    """Kind of machine and versions."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else \
        f'{os.cpu_count()} CPU cores ({platform.machine()})'
    return f'{device}, torch {torch.__version__}'


class Table:
    """The results, to look up and to compare.

    Args:
        content: From :func:`collect`.
    """

    def __init__(self, content: Dict[str, Any]) -> None:
        rows, self.seeds = content['rows'], content['grid']['seeds']
        self.rows = {(row['task'], row['name']): row for row in rows}

    def of(self, name: str, task: str = 'motion') -> Dict[str, Any]:
        """A cell's results, or an empty row."""
        return self.rows.get((task, name), dict(top1=[]))

    def mean(self, name: str, task: str = 'motion') -> float:
        """Mean top-1; -inf if the cell has not run."""
        top1 = self.of(name, task)['top1']
        return statistics.mean(top1) if top1 else float('-inf')

    def deviation(self, name: str, task: str = 'motion') -> float:
        """Standard deviation of top-1 over the seeds; 0 of a single one."""
        top1 = self.of(name, task)['top1']
        return statistics.stdev(top1) if len(top1) > 1 else 0.

    def best(self, names: Sequence[str], task: str = 'motion') -> str:
        """The cell of the highest mean."""
        return max(names, key=lambda name: self.mean(name, task))

    def text(self, name: str, task: str = 'motion') -> str:
        """Mean, deviation, and the number of seeds if some are missing."""
        top1 = self.of(name, task)['top1']
        if not top1:
            return 'not yet run'
        spread = f' ± {self.deviation(name, task):.1f}' if len(
            top1) > 1 else ''
        seeds = f' ({len(top1)})' if len(top1) < self.seeds else ''
        return f'{statistics.mean(top1):.1f}{spread}{seeds}'

    def ahead(self, a: str, b: str, task: str = 'motion') -> Tuple[str, str]:
        """How far a is ahead of b, with two standard errors, and a verdict."""
        x, y = self.of(a, task)['top1'], self.of(b, task)['top1']
        if min(len(x), len(y)) < 2:
            return 'not yet run', ''
        gap = statistics.mean(x) - statistics.mean(y)
        error = 2 * (statistics.variance(x) / len(x) +
                     statistics.variance(y) / len(y))**0.5
        verdict = 'undecided' if abs(gap) <= error else \
            'holds' if gap > 0 else 'does not hold'
        return f'{gap:+.1f} ± {error:.1f}', verdict


IMAGE_PETL = ('VideoPrompt', 'VPT', 'Adapter', 'AdaptFormer', 'Pro-tuning')
IMAGE_PETL_SWIN = ('AdaptFormer, Swin', 'prefix-tuning, Swin', 'BitFit, Swin')


def claims(table: Table) -> List[Tuple[str, str, str, str]]:
    """What the papers say: claim, cells that are compared, gap, verdict."""
    motion, looks = (
        table.best(IMAGE_PETL, task) for task in ('motion', 'appearance'))
    swin = table.best(IMAGE_PETL_SWIN)
    grids = [f'frames of a frameset, T = 64: w = h = {n}' for n in (2, 4, 8)]
    rows = [
        ('DualPath is ahead of image-only PETL on motion', 'DualPath', motion,
         'motion'),
        ('DualPath is ahead of image-only PETL on appearance', 'DualPath',
         looks, 'appearance'),
        ('DualPath is ahead of image-only PETL on motion, Swin',
         'DualPath, Swin', swin, 'motion'),
        ('ST-Adapter is ahead of image-only PETL on motion', 'ST-Adapter',
         motion, 'motion'),
        ('DualPath is ahead of ST-Adapter on motion', 'DualPath', 'ST-Adapter',
         'motion'),
        ('the same on the Swin', 'DualPath, Swin', 'ST-Adapter, Swin',
         'motion'),
        ('the same after twice the training', 'training time: DualPath, 2 x',
         'training time: ST-Adapter, 2 x', 'motion'),
        ('the same on the task that needs both', 'DualPath', 'ST-Adapter',
         'both'),
        ('DualPath is ahead of full fine-tuning on motion', 'DualPath', 'full',
         'motion'),
        ('the temporal path is needed', 'DualPath', 'paths: spatial alone',
         'motion'),
        ('the spatial path is needed', 'DualPath', 'paths: temporal alone',
         'motion'),
        ('w = h = 4 is better than 2', grids[1], grids[0], 'motion'),
        ('w = h = 4 is better than 8', grids[1], grids[2], 'motion'),
        ('more framesets are better', 'framesets: T_G = 3', 'DualPath',
         'motion'),
        ('more spatial frames are better', 'spatial frames: T_S = 8',
         'spatial frames: T_S = 1', 'motion'),
        ('larger framesets are better', 'frameset resolution: 128 pixels',
         'DualPath', 'motion'),
        ('wider adapters are better', 'adapter width: width 64',
         'adapter width: width 8', 'motion'),
        ('BAPAT is ahead of AdaptFormer', 'BAPAT', 'AdaptFormer', 'motion'),
        ('BAPAT is ahead of AdaptFormer, Swin', 'BAPAT, Swin',
         'AdaptFormer, Swin', 'motion'),
        *((f'PATT on K and V is better than on {on}', 'PATT', f'PATT on: {on}',
           'motion') for on in 'QKV'),
    ]
    return [(claim, f'{a} against {b}, {task}', *table.ahead(a, b, task))
            for claim, a, b, task in rows]


def choices(table: Table) -> List[Tuple[str, str, str, str]]:
    """Where the sources differ and the package had to choose."""
    rows = [
        ('skip=True is better than the literal Eq. 9', 'DualPath',
         'skip: skip=False'),
        ('so it is with the 3-D positions', 'positions: 3-D, fixed (paper)',
         'skip, 3-D positions: skip=False'),
        ('the frame number on the trained embedding is better than fixed '
         '3-D positions', 'DualPath', 'positions: 3-D, fixed (paper)'),
        ('the frame number is better than nothing added', 'DualPath',
         'positions: none added'),
    ]
    return [(claim, f'{a} against {b}', *table.ahead(a, b))
            for claim, a, b in rows]


def markdown(content: Dict[str, Any]) -> str:
    """The generated page."""
    table, grid = Table(content), content['grid']
    runs = sum(len(row['top1']) for row in content['rows'])
    lines = [
        '# Results in miniature', '',
        'Written by `bash tools/miniature.sh`; not to be edited. '
        f'{content["date"]}, commit {", ".join(content["commits"])}, '
        f'{content["machine"]}. Grid "{grid["name"]}": {grid["videos"]} '
        f'training videos, {grid["epochs"]} epochs, {grid["seeds"]} seeds; '
        f'{runs} trainings of {len(GRIDS[grid["name"]].runs())}. Top-1 in per '
        'cent over 800 test videos, mean ± standard deviation over the seeds, '
        f'with their number if it is not {grid["seeds"]}. '
        'Still images of unseen digits, recognised by the frozen backbones '
        'before: ' +
        ', '.join(f'{name} {top1:.1f}'
                  for name, top1 in content['pretrained'].items()) + '.', '',
        'Multiply-adds are those of one clip; seconds of a training are the '
        'median, with as many trainings at a time as the machine has cores; '
        'memory is the weights and what one training step of '
        f'{BATCH} clips makes.', '', '## Methods', '',
        '| method | motion | appearance | both | trainable | multiply-adds '
        '(M) | seconds | memory (MB) |', '|---' * 8 + '|'
    ]
    chance = ' | '.join(f'{100 / n:.1f}' for n in TASKS.values())
    lines.append(f'| chance | {chance} | | | | |')
    for name in METHODS:
        row = table.of(name)
        if row['top1']:
            lines.append(
                f'| {name} | ' +
                ' | '.join(table.text(name, task) for task in TASKS) +
                f' | {row["trainable"]:,} | {row["macs"] / 1e6:.1f} | '
                f'{statistics.median(row["seconds"]):.0f} | '
                f'{row["memory"] / 2**20:.0f} |')
    for title, found in (('What the papers say', claims(table)),
                         ('What the sources leave open', choices(table))):
        lines += [
            '', f'## {title}', '',
            'Gap of the means ± two standard errors, in points; "undecided" '
            'if the gap is smaller.', '',
            '| | compared | gap | in miniature |', '|---|---|---|---|',
            *('| ' + ' | '.join(row) + ' |' for row in found)
        ]
    lines += ['', '## Ablations, on motion', '']
    lines += ['![](ablations.png)']
    for group, rows in ABLATIONS.items():
        lines += [
            '', f'| {group} | top-1 | trainable | multiply-adds (M) |',
            '|---|---|---|---|'
        ]
        for label, (method, changes) in rows.items():
            name = f'{group}: {label}' if changes else method
            row = table.of(name)
            if row['top1']:
                lines.append(f'| {label} | {table.text(name)} | '
                             f'{row["trainable"]:,} | '
                             f'{row["macs"] / 1e6:.1f} |')
    return '\n'.join(lines) + '\n'


def plot_ablations(table: Table) -> Figure:
    """All ablations side by side: means, and every seed as a dot."""
    columns = 3
    rows = -(-len(ABLATIONS) // columns)
    figure = Figure(figsize=(13, 1.9 * rows), layout='constrained')
    grid = figure.subplots(rows, columns, sharex=True)
    for axes in grid.flat[len(ABLATIONS):]:
        axes.set_axis_off()
    for axes, (group, cells) in zip(grid.flat, ABLATIONS.items()):
        for y, (label, (method, changes)) in enumerate(cells.items()):
            top1 = table.of(f'{group}: {label}' if changes else method)['top1']
            if top1:
                axes.barh(
                    y,
                    statistics.mean(top1),
                    color='tab:gray' if changes else 'tab:blue',
                    alpha=0.5)
                axes.plot(top1, [y] * len(top1), 'k.', markersize=5)
        axes.set_yticks(range(len(cells)), list(cells), fontsize=9)
        axes.set_ylim(len(cells) - 0.4, -0.6)
        axes.set_xlim(0, 100)
        axes.tick_params(labelbottom=True, labelsize=9)
        axes.axvline(100 / TASKS['motion'], color='k', lw=0.6, ls=':')
        axes.set_title(group, fontsize=10)
    figure.supxlabel('top-1 on motion (%); dotted: chance; blue: as in the '
                     'table of methods')
    return figure


def report(content: Dict[str, Any], docs: Path) -> None:
    """Write the tables and plots.

    Args:
        content: From :func:`collect`.
        docs: Folder for them.
    """
    table = Table(content)
    docs.mkdir(parents=True, exist_ok=True)
    (docs / 'results.json').write_text(json.dumps(content, indent=1) + '\n')
    (docs / 'results.md').write_text(markdown(content))
    for task in TASKS:
        for backbone in BACKBONES:
            names = [
                name for name in METHODS if table.of(name, task)['top1'] and (
                    ', Swin' in name) == (backbone == 'swin')
            ]
            points = [
                dict(
                    name=name.replace(', Swin', ''),
                    accuracy=table.mean(name, task),
                    deviation=table.deviation(name, task),
                    source='measured',
                    trainable=table.of(name, task)['trainable'],
                    macs=table.of(name, task)['macs']) for name in names
            ]
            if points:
                title = f'{task}, miniature {TITLES[backbone]}'
                plot(
                    points, title, largest=500.).savefig(
                        docs / f'{task}_{backbone}.png', dpi=110)
    plot_ablations(table).savefig(docs / 'ablations.png', dpi=110)
    print(f'Wrote {docs}.')


def main() -> None:
    """Report on the grid of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--grid', choices=GRIDS, default='reduced')
    parser.add_argument('--out', type=Path, default=DOCS)
    args = parser.parse_args()
    report(collect(GRIDS[args.grid]), args.out)


if __name__ == '__main__':
    main()
