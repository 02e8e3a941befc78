"""What was measured as bars."""
import argparse
from pathlib import Path

from matplotlib.figure import Figure

from .results import Results, summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the command line of ``picture`` takes."""
    parser.add_argument('results', type=Path, metavar='JSON')
    parser.add_argument('--out', type=Path, default=Path('benchmark.png'))


def main(args: argparse.Namespace) -> str:
    """Draw the rates, the first one being 1."""
    rows = [r for r in summary(Results(args.results)) if 'time_ratio' in r]
    figure = Figure(figsize=(7, 1 + 0.28 * len(rows)), layout='constrained')
    axes = figure.add_subplot()
    bars = axes.barh([r['contestant'] for r in rows],
                     [1 / r['time_ratio'] for r in rows],
                     color=['tab:blue'] + ['tab:gray'] * (len(rows) - 1))
    axes.bar_label(bars, fmt='%.2f', padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.spines[['top', 'right']].set_visible(False)
    axes.set_xlabel(f'videos/s, {rows[0]["contestant"]} = 1')
    figure.savefig(args.out, dpi=120)
    return f'Wrote {args.out}.'
