"""Count the parameters and multiply-adds of models, without weights.

    python tools/complexity.py configs/dualpath_vitb_ssv2.py
    python tools/complexity.py configs/dualpath_vitb_*.py --json
    python tools/complexity.py --table                  # all of DualPath
    python tools/complexity.py --table configs/st_adapter/*.py

Multiply-adds are those of matrix products, convolutions and attention, found
by running one view of the test pipeline on tensors without memory. They are
split by path and by frozen backbone, adapters and head.

The DualPath paper's GFLOPs do not follow from counting: ViT-B/16 takes
17.58 G multiply-adds for an image of 224 pixels, so nine images and their
adapters take about 167 G a view and 501 G for three views, where the paper
prints 642. Both are shown; neither is fitted to the other.
"""
import argparse
import json
from pathlib import Path
from typing import Dict, Tuple

from mmengine.config import Config
from mmengine.registry import init_default_scope
from results_table import CONFIGS, rows
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmdualpath.analysis.complexity import (count_macs, count_params,
                                            test_views, view_of)
from mmdualpath.analysis.structure import build_structure
from mmdualpath.apis.programs import program


def printed() -> Dict[str, Tuple[str, str]]:
    """What the papers print of a config: M trainable / total, and GFLOPs."""
    found: Dict[str, Tuple[Dict, Dict]] = {}
    for row in rows():
        if 'config' not in row or row['options']:
            continue
        sizes, flops = found.setdefault(row['config'], ({}, {}))
        if 'trainable' in row:
            sizes[row['trainable']] = row.get('total',
                                              sizes.get(row['trainable']))
        if 'gflops' in row:
            flops[row['gflops']] = None
    return {
        name: (', '.join(f'{trainable} / {total or "-"}'
                         for trainable, total in sizes.items())
               or '-', ', '.join(flops) or '-')
        for name, (sizes, flops) in found.items()
    }


def complexity(path: str) -> dict:
    """Everything that is counted of one config.

    Returns:
        ``trainable``, ``total``, ``macs_per_view``, ``views`` ([frames,
        clips, crops]), ``macs`` of all test views and ``parts``.
    """
    cfg = Config.fromfile(path)
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    model = build_structure(cfg.model)
    parts = count_macs(model, view_of(cfg))
    frames, clips, crops, _ = test_views(cfg)
    per_view = sum(sum(split.values()) for split in parts.values())
    return dict(
        config=Path(path).stem,
        **count_params(model),
        macs_per_view=per_view,
        views=[frames, clips, crops],
        macs=per_view * clips * crops,
        parts=parts)


def show(results: list, paper: bool) -> Table:
    """The results as a table, beside the paper's figures if asked."""
    table = Table('config', 'trainable M', 'total M', 'views', 'GMACs a view',
                  'split of a view', 'GMACs')
    table.columns[0].overflow = 'fold'  # a name is not cut
    figures = printed() if paper else {}
    if paper:
        table.add_column('paper: M')
        table.add_column('paper: GFLOPs')
    for r in results:
        split = '\n'.join(f'{part}: ' + ', '.join(f'{k} {v / 1e9:.2f}'
                                                  for k, v in macs.items())
                          for part, macs in r['parts'].items())
        row = [
            r['config'], f'{r["trainable"] / 1e6:.2f}',
            f'{r["total"] / 1e6:.2f}', ' x '.join(map(str, r['views'])),
            f'{r["macs_per_view"] / 1e9:.2f}', split, f'{r["macs"] / 1e9:.1f}'
        ]
        if paper:
            row += figures.get(r['config'], ('-', '-'))
        table.add_row(*row)
    return table


def main() -> None:
    """Count the configs of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG')
    parser.add_argument(
        '--json', action='store_true', help='print a list of JSON objects')
    parser.add_argument(
        '--table',
        action='store_true',
        help="beside the papers' figures, by default all DualPath configs")
    args = parser.parse_args()
    if not args.configs and not args.table:
        parser.error('give configs, or --table for all of DualPath.')

    configs = args.configs or sorted(
        str(p) for p in CONFIGS.glob('dualpath*.py'))
    console = Console(stderr=True)
    results = [
        complexity(c)
        for c in track(configs, description='counting', console=console)
    ]
    if args.json:
        print(json.dumps(results, indent=2))
    else:
        Console(width=None if console.is_terminal else 140).print(
            show(results, paper=args.table))


if __name__ == '__main__':
    with program():
        main()
