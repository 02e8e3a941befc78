"""The tables of JSON files in a page of markdown.

Each stands after the comment that names its file.
"""
import argparse
import re
import statistics
from pathlib import Path
from typing import Sequence

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
    told = dict(content['settings'])
    about = {**told.pop('machine'), **told}
    product = content['contestants'].get(MATMUL)
    if product and 'of the matrix rate' in ' '.join(table[0]):
        size = MATMUL_SIZE[told['device']]
        rate = 2e-9 * size**3 / statistics.median(
            product['samples']['seconds'])
        about['matrix rate'] = f'{rate:.0f} GFLOP/s ({size} x {size})'
    told = ', '.join(f'{k} {v}' for k, v in about.items() if v)
    return (f'`{content["command"]}`\n\n{content["date"]}: {told}.\n\n' +
            as_table(table))


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
        text = markdown(Results(path)) if path.is_file() else 'Not yet run.\n'
        return f'{found[1]}\n{text}\n{found[3]}'

    text = TABLE.sub(fill, args.page.read_text())
    args.page.write_text(text)
    return text
