"""Plot accuracy against trainable parameters, as Figure 1 of the paper.

    python tools/plot_tradeoff.py docs/tradeoff/k400.json --out tradeoff.png \\
        --highlight DualPath
    python tools/complexity.py configs/A.py configs/B.py --json > counts.json
    python tools/plot_tradeoff.py docs/tradeoff/ssv2.json counts.json \\
        work_dirs/A/TIMESTAMP/TIMESTAMP.json work_dirs/B/...

The area of a circle stands for the multiply-adds of all test views. Hollow
circles are a paper's figures, filled ones were measured. Three kinds of files
go together, in any order:

- lists of points: name, trainable (parameters), macs, accuracy (per cent),
  and source, "paper" or "measured" (the default);
- what tools/complexity.py --json prints;
- what a test leaves in work_dirs/CONFIG/TIMESTAMP/TIMESTAMP.json, where the
  folder names the config.
"""
import argparse
import json
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

from mmdualpath.apis.programs import program
from mmdualpath.visualization.tradeoff import COLOURS, plot

NEEDED = ('trainable', 'macs', 'accuracy')


def entries_of(path: Path, metric: str) -> List[dict]:
    """Points, or parts of points, in a file.

    Raises:
        ValueError: If the file is of none of the three kinds.
    """
    content = json.loads(path.read_text())
    if isinstance(content, dict) and metric in content:
        # work_dirs/CONFIG/TIMESTAMP/TIMESTAMP.json
        return [
            dict(
                name=path.resolve().parents[1].name,
                accuracy=100 * content[metric])
        ]
    if not isinstance(content, list) or not all(
            isinstance(e, dict) and ('name' in e or 'config' in e)
            for e in content):
        raise ValueError(f'{path} holds neither a list of points with names '
                         f'nor the result of a test ({metric!r}).')
    return [dict(e, name=e.get('name', e.get('config'))) for e in content]


def load(paths: Iterable[Path], metric: str = 'acc/top1') -> List[dict]:
    """Join what several files say of the same point.

    Args:
        paths: Files.
        metric: Key of the accuracy in the result of a test, from 0 to 1.

    Raises:
        ValueError: If something of a point is missing everywhere, or a
            source is neither paper nor measured.
    """
    points: Dict[Tuple[str, str], dict] = {}
    for path in paths:
        for entry in entries_of(path, metric):
            source = entry.setdefault('source', 'measured')
            if source not in COLOURS:
                raise ValueError(f'{path}: source={source!r} is not "paper" '
                                 'or "measured".')
            points.setdefault((entry['name'], source), {}).update(entry)
    for point in points.values():
        missing = [key for key in NEEDED if key not in point]
        if missing:
            raise ValueError(f'{point["name"]} ({point["source"]}) has no '
                             f'{", ".join(missing)}.')
    return list(points.values())


def main() -> None:
    """Plot the files of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('results', nargs='+', type=Path, metavar='JSON')
    parser.add_argument('--out', type=Path, default=Path('tradeoff.png'))
    parser.add_argument('--title', default='')
    parser.add_argument(
        '--highlight',
        nargs='+',
        default=[],
        metavar='NAME',
        help="beginnings of the names of one's own methods")
    parser.add_argument(
        '--metric', default='acc/top1', help='accuracy in a test result')
    args = parser.parse_args()
    figure = plot(
        load(args.results, args.metric), args.title, highlight=args.highlight)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=120)
    print(f'Wrote {args.out}.')


if __name__ == '__main__':
    with program():
        main()
