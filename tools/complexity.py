"""Count the parameters and multiply-adds of models, without weights.

    python tools/complexity.py configs/dualpath_vitb_ssv2.py
    python tools/complexity.py configs/dualpath_vitb_*.py --json
    python tools/complexity.py --table

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

from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmdualpath.analysis.complexity import (count_macs, count_params,
                                            test_views, view_of)
from mmdualpath.analysis.structure import build_structure
from mmdualpath.apis.programs import program

CONFIGS = Path(__file__).parents[1] / 'configs'

# GFLOPs of the paper, all test views: Tables 1, 2, 5, A2 and A4.
PAPER_GFLOPS = {
    'dualpath-tg2_vitb_k400': 710,
    'dualpath-tg2_vitl_k400': 1868,
    'dualpath_vitb_ssv2': 642,
    'dualpath-tg2_vitb_ssv2': 716,
    'dualpath-tg3_vitb_ssv2': 791,
    'dualpath_vitl_ssv2': 1713,
    'dualpath-tg2_vitl_ssv2': 1932,
    'dualpath-tg3_vitl_ssv2': 2151,
    'dualpath-spatial_vitb_ssv2': 1016,
    'dualpath-temporal_vitb_ssv2': 134,
    'dualpath-ts12_vitb_ssv2': 896,
    'dualpath-ts16_vitb_ssv2': 1150,
    'dualpath-grid2_vitb_ssv2': 1752,
    'dualpath-grid4_vitb_ssv2': 864,
    'dualpath-grid8_vitb_ssv2': 642,
    'dualpath-frameset448_vitb_ssv2': 846,
    'dualpath-frameset896_vitb_ssv2': 1694,
    'dualpath_vitb_hmdb51': 612,
    'dualpath-frameset448_vitb_hmdb51': 816,
    'dualpath-frameset896_vitb_hmdb51': 1632,
    'dualpath-tg3_vitb_hmdb51': 778,
    'dualpath_vitb-in21k_ssv2': 642,
    'dualpath_swinb_ssv2': 287,
}
# Millions of parameters of the paper, trainable / total.
PAPER_PARAMS = {
    'vitb_k400': '10 / 96',
    'vitl_k400': '27 / 330',
    'vitb_ssv2': '13 / 99',
    'vitl_ssv2': '33 / 336',
    'vitb_hmdb51': '10 / -',
    'vitb_diving48': '10 / -',
    'vitb-in21k_ssv2': '13 / 99',
    'vitb-in21k_hmdb51': '13 / 99',
    'swinb_ssv2': '11 / 97',
    'swinb_hmdb51': '11 / 97',
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
            plain = r['config'].split('_', 1)[1]
            row += [
                PAPER_PARAMS.get(plain, '-') if r['config'].startswith(
                    ('dualpath_', 'dualpath-tg')) else '-',
                str(PAPER_GFLOPS.get(r['config'], '-'))
            ]
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
        help="all DualPath configs beside the paper's figures")
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
