"""Write the figures, tables and pictures of the miniature study.

    python tools/miniature/report.py --grid reduced

writes ``results.json`` and the pictures into docs/miniature, from all
trainings of a grid that are done, and the tables of docs/miniature.md from
that file. ``--page`` writes the pictures and tables alone, from the file that
is there.
"""
import argparse
import json
import math
import re
import statistics
import sys
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
import torch
from curves import fewer, mean, number, span, spread, steps_to, stopped
from grid import (BACKBONES, GRIDS, OF_CELL, OF_TRAINING, WHOLE, Grid, named,
                  tables)
from inputs import View
from matplotlib import colormaps
from matplotlib.figure import Figure

from mmdualpath.analysis.provenance import provenance

sys.path.append(str(Path(__file__).parents[1]))
from benchmarks.tables import as_table  # noqa: E402

PAGE = Path(__file__).parents[2] / 'docs/miniature.md'
DEPENDS = ('tools/data/render_digits.py',
           *(f'configs/miniature/{config}.py'
             for config, *_ in BACKBONES.values()),
           *(f'configs/miniature/{name}_digits.py#model'
             for name in ('dualpath_vit-micro', 'dualpath_vit-rotary-micro',
                          'dualpath_swin-micro', 'frames_vit-micro',
                          'features_vit-micro')),
           'configs/_base_/schedules/convergence.py')
CLAIM = (('skip', 'match, skip', '1, skip'), ('literal', 'match, literal',
                                              '1, literal'))


def collect(grid: Grid) -> Dict[str, Any]:
    """All results that there are, and where they come from.

    Args:
        grid: One of the study, whose results all count, or ``quick``.

    Raises:
        ValueError: If a result lacks what is read of it.
    """
    cells: Dict[str, Dict[str, Any]] = {}
    known = {
        cell.digest(): (f'{table}: {label}', cell)
        for table, rows in reversed(tables().items())
        for label, cell in rows.items()
    }
    for path in sorted((grid.work / 'trainings').glob('*.json')):
        result = json.loads(path.read_text())
        if result.get('cell') not in {None, *known}:
            continue
        if lacking := {'cell', 'seed', *OF_CELL, *OF_TRAINING} - {*result}:
            raise ValueError(
                f'{path} does not say {", ".join(sorted(lacking))}: it is of '
                'another version. Remove it, and it is trained again.')
        name, cell = known[result['cell']]
        row = cells.setdefault(
            result['cell'],
            dict(
                name=name,
                task=cell.task,
                backbone=cell.backbone,
                **{k: result[k]
                   for k in OF_CELL},
                seeds={}))
        row['seeds'][str(result['seed'])] = {k: result[k] for k in OF_TRAINING}
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return dict(
        provenance(f'bash tools/miniature.sh {grid.name}', DEPENDS, device),
        grid=dict(
            name=grid.name,
            videos=grid.videos,
            steps=grid.steps,
            patience=grid.patience,
            trainings=sum(len(row['seeds']) for row in cells.values()),
            of=len(WHOLE.runs()),
            core_minutes=round(
                sum(run['seconds'] for row in cells.values()
                    for run in row['seeds'].values()) / 60)),
        pretrained={
            name: grid.stills(name)
            for name in BACKBONES if grid.pretrained(name).exists()
        },
        tables={
            table: {
                label: cell.digest()
                for label, cell in rows.items()
            }
            for table, rows in tables().items()
        },
        cells=cells)


class Study:
    """Results, to look up.

    Args:
        content: From :func:`collect`.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    def cell(self, table: str, label: str) -> Optional[Dict[str, Any]]:
        """A cell's results, or None where there are none yet."""
        return self.content['cells'].get(self.content['tables'][table][label])

    def curves(self, table: str, label: str) -> Dict[str, List[float]]:
        """Learning curves by seed."""
        row = self.cell(table, label)
        return {k: v['curve'] for k, v in row['seeds'].items()} if row else {}

    def steps(self, table: str, label: str) -> Dict[str, float]:
        """Steps to 90 % by seed."""
        row = self.cell(table, label)
        return {
            seed: steps_to(curve, row['interval'])
            for seed, curve in self.curves(table, label).items()
        }

    def labels(self, table: str) -> List[str]:
        """Labels of a table that have results."""
        return [
            label for label in self.content['tables'][table]
            if self.cell(table, label)
        ]

    def row(self, table: str, label: str) -> List[str]:
        """What a table says of one cell."""
        row = self.cell(table, label)
        curves = list(self.curves(table, label).values())
        patience = self.content['grid']['patience']
        ran = [row['interval'] * len(curve) for curve in curves]
        rising = sum(not stopped(curve, patience) for curve in curves)
        amplitudes = [
            run['amplitude'] for run in row['seeds'].values()
            if run['amplitude'] is not None
        ]
        heard = span(amplitudes, 2) if amplitudes else '-'
        return [
            label,
            spread(list(self.steps(table, label).values())),
            mean([curve[-1] for curve in curves]),
            number(statistics.median(ran)) +
            (f', {rising} of {len(curves)} still rising' if rising else ''),
            heard,
            span([run['stills'] for run in row['seeds'].values()],
                 1), f'{row["trainable"]:,}', f'{row["macs"] / 1e6:.1f}',
            str(len(curves))
        ]


HEADER = [
    '', 'steps to 90 %', 'final top-1', 'trained for', 'amplitude', 'stills',
    'trainable', 'multiply-adds (M)', 'seeds'
]


def table_of(study: Study, name: str) -> str:
    """A table of cells."""
    labels = study.labels(name)
    rows = [study.row(name, label) for label in labels]
    missing = [
        label for label in study.content['tables'][name] if label not in labels
    ]
    text = as_table([HEADER, ['---'] * len(HEADER), *rows]) if rows else ''
    if missing:
        text += f'\nNot yet run: {"; ".join(missing)}.\n'
    return text


def claim_of(study: Study) -> str:
    """The main claim: how many times fewer steps the match takes."""
    header = [
        'serial adapters', 'amplitude 1', 'match', 'times fewer, medians',
        'times fewer, worst seed', 'seeds'
    ]
    rows = []
    for form, after, before in CLAIM:
        old, new = (study.steps('amplitude', k) for k in (before, after))
        seeds = sorted(set(old) & set(new))
        if not seeds:
            continue
        interval = study.cell('amplitude', before)['interval']
        curves = study.curves('amplitude', before)
        seen = {s: interval * len(curves[s]) for s in seeds}
        middle = [
            statistics.median(steps[s] for s in seeds) for steps in (old, new)
        ]
        each = [(old[s] if math.isfinite(old[s]) else seen[s]) / new[s]
                for s in seeds]
        worst = seeds[int(np.argmin(each))]
        rows.append([
            form,
            spread([old[s] for s in seeds]),
            spread([new[s] for s in seeds]),
            fewer(*middle, statistics.median(seen.values())),
            fewer(old[worst], new[worst], seen[worst]),
            str(len(seeds))
        ])
    return as_table([header, ['---'] * len(header), *rows])


def about(study: Study) -> str:
    """Where the figures are from."""
    content = study.content
    known = ', '.join(f'{name} {top1:.1f} %'
                      for name, top1 in content['pretrained'].items())
    grid = content['grid']

    def each(key: str) -> str:
        found = {
            run[key]
            for row in content['cells'].values()
            for run in row['seeds'].values()
        }
        return ', '.join(sorted(found))

    # Its trainings may be of several machines.
    machine = ', '.join(f'{k} {v}' for k, v in {
        **content['machine'], 'cpu': each('cpu')
    }.items() if v)
    return (f'`{content["command"]}`, {content["date"]}, commit '
            f'{each("commit")}: {machine}. '
            f'{grid["trainings"]} trainings of {len(content["cells"])} cells; '
            f'the whole grid has {grid["of"]}. '
            f'{grid["core_minutes"]} minutes of one core together, '
            f'{grid["videos"][0]:,} training and {grid["videos"][1]:,} test '
            f'videos, at most {grid["steps"]:,} steps. Unseen still images '
            f'that the frozen backbones recognise: {known}.\n')


MARK = re.compile(
    r'(<!-- table of miniature/results\.json: (.+?) -->\n).*?'
    r'(<!-- end of table -->)', re.DOTALL)


def fill(text: str, content: Mapping[str, Any]) -> str:
    """A page with its tables.

    Args:
        text: The page; a table stands after a comment with its name.
        content: From :func:`collect`.

    Raises:
        ValueError: If there is no such table.
    """
    study = Study(content)

    def table(found: re.Match) -> str:
        name = found[2]
        if name == 'about':
            body = about(study)
        elif name == 'claim':
            body = claim_of(study)
        elif name.partition('picture ')[2] in PICTURES:
            name = name.partition('picture ')[2]
            drawn = {*panels(study), *(['sweep'] * bool(series(study)))}
            body = f'![{PICTURES[name]}](miniature/{name}.png)\n' \
                if name in drawn else ''
        elif name in content['tables']:
            body = table_of(study, name)
        else:
            raise ValueError(f'There is no table {name!r}; there are about, '
                             f'claim, {", ".join(content["tables"])}.')
        return f'{found[1]}\n{body}\n{found[3]}'

    return MARK.sub(table, text)


def draw_curves(study: Study, panels: Mapping[str, Sequence[tuple]]) -> Figure:
    """Learning curves; a thin line is a training.

    Args:
        study: The results.
        panels: Under each title the table, label and name of each cell.
    """
    panels = {
        title: cells
        for title, cells in panels.items() if any(
            study.cell(*cell[:2]) for cell in cells)
    }
    figure = Figure(figsize=(4.6 * len(panels), 4.7), layout='constrained')
    for axes, (title, cells) in zip(
            figure.subplots(
                1, len(panels), squeeze=False, sharex=True, sharey=True).flat,
            panels.items()):
        colours = colormaps['tab10' if len(cells) <= 10 else 'tab20']
        for i, (table, label, name) in enumerate(cells):
            colour = colours(i)
            for curve in study.curves(table, label).values():
                interval = study.cell(table, label)['interval']
                steps = interval * np.arange(1, len(curve) + 1)
                axes.plot(
                    steps,
                    100 * np.array(curve),
                    color=colour,
                    lw=1.1,
                    label=name)
                axes.plot(steps[-1], 100 * curve[-1], '.', color=colour, ms=5)
                name = ''  # stands in the legend once
        axes.axhline(90, color='k', lw=0.6, ls=':')
        axes.set_ylim(0, 101)
        axes.set_xlabel('steps')
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.2)
        axes.legend(  # below the curves, not on them
            fontsize=7.5,
            ncols=2,
            loc='upper center',
            bbox_to_anchor=(0.5, -0.15))
    figure.axes[0].set_ylabel('top-1 (%)')
    return figure


def series(study: Study) -> Dict[str, tuple]:
    """Table, end of the label and cells of each curve over the amplitude."""
    rows = {
        '3-D, skip': ('amplitude, 3-D', 'skip'),
        '3-D, literal': ('amplitude, 3-D', 'literal'),
        'frame number, skip': ('amplitude, frame number', 'skip'),
        'frame number, literal': ('amplitude, frame number', 'literal'),
        'Swin, 3-D': ('Swin, amplitude', '')
    }
    found = {}
    for name, (table, form) in rows.items():
        cells = [
            label for label in study.labels(table)
            if label.endswith(form) and 'learned' not in label
        ]
        if len(cells) > 2 and any(c.startswith('match') for c in cells):
            found[name] = (table, form, cells)
    return found


def draw_amplitudes(study: Study) -> Figure:
    """Steps to 90 % and final accuracy against the amplitude."""
    figure = Figure(figsize=(9, 3.9), layout='constrained')
    left, right = figure.subplots(1, 2)
    most = study.content['grid']['steps']
    for i, (name, (table, form, cells)) in enumerate(series(study).items()):
        match = study.cell(table, f'match, {form}'.rstrip(', '))
        unit = next(iter(match['seeds'].values()))['amplitude']
        colour = colormaps['tab10'](i)
        middle = []
        for label in cells:
            runs = study.cell(table, label)['seeds']
            steps = list(study.steps(table, label).values())
            top1 = [100 * run['curve'][-1] for run in runs.values()]
            times = statistics.median(run['amplitude']
                                      for run in runs.values()) / unit
            never = [not math.isfinite(s) for s in steps]
            steps = [1.15 * most if n else s for n, s in zip(never, steps)]
            for y, n in zip(steps, never):
                left.plot(
                    times,
                    y,
                    '^' if n else 'o',
                    ms=6 if n else 4,
                    mfc='none' if n else colour,
                    color=colour)
            right.plot([times] * len(top1), top1, 'o', ms=4, color=colour)
            middle.append(
                (times, statistics.median(steps), statistics.median(top1)))
        x, steps, top1 = zip(*sorted(middle))
        left.plot(x, steps, color=colour, lw=1.2, label=name)
        right.plot(x, top1, color=colour, lw=1.2, label=name)
    left.axhline(1.07 * most, color='k', lw=0.6, ls=':')
    left.set_ylabel('steps to 90 % (triangle: never)')
    right.set_ylabel('final top-1 (%)')
    for axes in (left, right):
        axes.set_xscale('log')
        axes.set_xlabel('amplitude of the code / match')
        axes.grid(alpha=0.2)
    left.set_yscale('log')
    figure.legend(
        *left.get_legend_handles_labels(),
        fontsize=7.5,
        ncols=5,
        loc='outside lower center')
    return figure


def draw_samples(data: Path) -> Figure:
    """The framesets of one test video of each motion."""
    motions = ('left', 'right', 'up', 'down', 'clockwise', 'counter-clockwise',
               'growing', 'shrinking')
    view = View(16, grid=(4, 4), size=(64, 64))
    framesets = np.load(view.path(data, 'test'), mmap_mode='r')
    figure = Figure(figsize=(9, 4.9), layout='constrained')
    for i, (axes,
            motion) in enumerate(zip(figure.subplots(2, 4).flat, motions)):
        axes.imshow(framesets[i, 0].transpose(1, 2, 0))
        axes.set_axis_off()
        axes.set_title(motion, fontsize=10)
    return figure


PICTURES = {
    'curves_amplitude': 'Learning curves of both amplitudes',
    'curves_positions': 'Learning curves of codes and position embeddings',
    'curves_methods': 'Learning curves of methods',
    'curves_framesets':
    'Learning curves of more and larger framesets, and on the Swin',
    'curves_literal': 'Learning curves of the literal Eq. 9',
    'sweep': 'Steps to 90 % and final accuracy against the amplitude'
}


def panels(study: Study) -> Dict[str, Dict[str, List[tuple]]]:
    """Cells of each picture of curves that has some to compare."""
    found = {
        'curves_amplitude': {
            title: [('amplitude', f'{amp}, {form}', f'amplitude {amp}')
                    for amp in ('match', '1')]
            for title, form in (('3-D code, skip', 'skip'),
                                ('3-D code, literal Eq. 9', 'literal'))
        },
        'curves_positions': {
            f'position embedding: {embedding}':
            [('positions', f'{code}, {embedding}, skip', code)
             for code in ('3-D', 'frame number', 'no code')]
            for embedding in ('none', 'frozen', 'trained', 'fresh')
        },
        'curves_methods': {
            task: [(task, label, label) for label in study.labels(task)]
            for task in ('motion', 'appearance', 'both')
        },
        'curves_framesets': {
            table: [(table, label, label) for label in study.labels(table)]
            for table in ('framesets', 'grid of 64 frames', 'frameset size',
                          'Swin')
        },
        'curves_literal': {
            'literal Eq. 9':
            [('literal', label, label) for label in study.labels('literal')]
        },
    }
    # What the first picture has is not enough for another.
    known = set(study.content['tables']['amplitude'].values())
    return {
        name: rows
        for name, rows in found.items() if any(
            study.cell(table, label) and (
                name == 'curves_amplitude'
                or study.content['tables'][table][label] not in known)
            for cells in rows.values() for table, label, _ in cells)
    }


def pictures(study: Study) -> Dict[str, Figure]:
    """All pictures that there are results for, by file name."""
    found = {
        name: draw_curves(study, cells)
        for name, cells in panels(study).items()
    }
    if series(study):
        found['sweep'] = draw_amplitudes(study)
    return found


def report(content: Mapping[str, Any],
           page: Path,
           data: Optional[Path] = None) -> None:
    """Write pictures and tables.

    Args:
        content: From :func:`collect`.
        page: Whose tables are written; pictures lie in the folder beside it
            that has its name.
        data: Where prepared videos are, for a picture of them.
    """
    folder = page.with_suffix('')
    folder.mkdir(parents=True, exist_ok=True)
    found = pictures(Study(content))
    for name in set(PICTURES) - set(found):
        (folder / f'{name}.png').unlink(missing_ok=True)
    if data:
        found['framesets'] = draw_samples(data)
    for name, figure in found.items():
        figure.savefig(folder / f'{name}.png', dpi=110)
    page.write_text(fill(page.read_text(), content))
    print(f'Wrote {page} and {", ".join(sorted(found))} in {folder}.')


def main() -> None:
    """Report on a grid."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--grid', default='reduced', help=', '.join(GRIDS))
    parser.add_argument(
        '--page',
        action='store_true',
        help='only from the results.json that is there')
    parser.add_argument('--out', type=Path, default=PAGE, help='the page')
    args = parser.parse_args()
    results = args.out.with_suffix('') / 'results.json'
    if args.page:
        report(json.loads(results.read_text()), args.out)
        return
    grid = named(args.grid)
    content = collect(grid)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(content, indent=None) + '\n')
    report(content, args.out, grid.data)


if __name__ == '__main__':
    main()
