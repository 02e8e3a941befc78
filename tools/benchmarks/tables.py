"""The tables of JSON files in a page of markdown.

Each stands after the comment that names its file.
"""
import argparse
import json
import re
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any, Dict, Sequence

from .results import MATMUL, MATMUL_SIZE, Results, summary

COLUMNS = {
    'model': '{contestant}',
    'GMACs': '{macs:.1f}',
    'M trainable / all': '{trainable:.1f} / {params:.1f}',
    'batch': '{batch}',
    'clips/s': '{clips:.3g}',
    'time, first = 1': '{time_ratio:.3g}',
    'latency median / p95, ms': '{latency:.0f} / {p95:.0f}',
    'GFLOP/s': '{flops:.0f}',
    'of the matrix rate': '{share:.0%}',
    'training, s a clip (batch)': '{train:.3g} ({train_batch})',
    'training time, first = 1': '{train_ratio:.3g}',
    'training, of the matrix rate': '{train_share:.0%}',
    'training memory, MiB (batch)': '{memory:.0f} ({memory_batch})',
    'memory, first = 1': '{memory_ratio:.3g}'
}
UNITS = dict(
    macs=1e-9,
    params=1e-6,
    trainable=1e-6,
    latency=1e3,
    p95=1e3,
    flops=1e-9,
    memory=2**-20)


def markdown(results: Results) -> str:
    """The table, with the machine, versions and command above it."""
    rows = []
    for row in summary(results):
        row = {k: v * UNITS[k] if k in UNITS else v for k, v in row.items()}
        cells = []
        for form in COLUMNS.values():
            try:
                cells.append(form.format(**row))
            except KeyError:
                cells.append('-')
        if 'error' in row:
            cells[1] = f'failed: {row["error"]}'
        rows.append(cells)
    # A measure that nobody took has no column.
    keep = [i for i in range(len(COLUMNS)) if any(r[i] != '-' for r in rows)]
    table = [[list(COLUMNS)[i] for i in keep], ['---'] * len(keep)]
    table += [[r[i] for i in keep] for r in rows]
    content = results.content
    device = content['settings']['device']
    extra = {}
    product = content['contestants'].get(MATMUL)
    if product and 'of the matrix rate' in ' '.join(table[0]):
        size = MATMUL_SIZE[device]
        rate = 2e-9 * size**3 / statistics.median(
            product['samples']['seconds'])
        extra['matrix rate'] = f'{rate:.0f} GFLOP/s ({size} x {size})'
    return described(content, as_table(table), **extra)


def described(content: Dict[str, Any], table: str, **extra: Any) -> str:
    """A table with the machine, versions and command above it."""
    about = {**content['machine'], **content['settings'], **extra}
    told = ', '.join(f'{k} {" and ".join(v) if isinstance(v, list) else v}'
                     for k, v in about.items() if v)
    when = f'{content["date"]}, commit {content["commit"]}'
    return f'`{content["command"]}`\n\n{when}: {told}.\n\n{table}'


def pipeline_table(content: Dict[str, Any]) -> str:
    """The tables of what ``pipeline`` wrote: each video, and means."""
    decoders = content['settings']['decoders']
    ratio = f'{decoders[0]} / {decoders[-1]}'
    header = [
        'video', 'frames', 'MB', 'pipeline',
        *(f'{name}, ms' for name in decoders), ratio, 'largest difference',
        'the rest, ms', 'clips/s a core'
    ]
    rows, groups = [header, ['---'] * len(header)], defaultdict(list)
    for name, video in content['videos'].items():
        for split in ('train', 'test'):
            taken = video[split]
            spent = [taken['decoding'][d] for d in decoders]
            rest = sum(taken['steps'].values())
            kind = name.partition(', as ')[2] or 'as they are'
            groups[kind, split].append((spent[0] / spent[-1], taken['steps']))
            rows.append([
                name, f'{video["frames"]} of {video["shape"][1]}x'
                f'{video["shape"][0]}', f'{video["bytes"] / 1e6:.2f}', split,
                *(f'{t:.1f}' for t in spent), f'{spent[0] / spent[-1]:.2f}',
                str(taken['difference']), f'{rest:.1f}',
                f'{1e3 / (spent[0] + rest):.1f}'
            ])
    header = ['mean over videos', 'pipeline', ratio, 'steps of the rest, ms']
    means = [header, ['---'] * len(header)]
    for (kind, split), taken in groups.items():
        ratios, steps = zip(*taken)
        means.append([
            kind, split, f'{statistics.mean(ratios):.2f}',
            ', '.join(f'{step} {statistics.mean(s[step] for s in steps):.1f}'
                      for step in steps[0])
        ])
    return as_table(rows) + '\n' + as_table(means)


def as_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as markdown."""
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


TABLE = re.compile(r'(<!-- table of (\S+) -->\n).*?(<!-- end of table -->)',
                   re.DOTALL)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``tables`` takes."""
    parser.add_argument('page', type=Path)


def main(args: argparse.Namespace) -> str:
    """Fill in the tables of a page."""

    def fill(found: re.Match) -> str:
        path = args.page.parent / found[2]
        text = 'Not yet run.\n'
        if path.is_file():
            content = json.loads(path.read_text())
            text = described(content, pipeline_table(content)) \
                if 'videos' in content else markdown(Results(path))
        return f'{found[1]}\n{text}\n{found[3]}'

    text = TABLE.sub(fill, args.page.read_text())
    args.page.write_text(text)
    return text
