"""Say what a quickstart reached, and keep it with those of other seeds.

    python tools/quickstart_result.py work_dirs/quickstart/seed0 --seed 0

reads the logs in the folder and adds its figures to a file beside it, one for
each processor and version of torch, such as ``amd-epyc-torch-2.8.0.json``. The
figures of README.md and docs/start.md come from such files: see
``docs/quickstart``.
"""
import argparse
import json
import re
from pathlib import Path
from typing import Any, Dict, Mapping

from mmdualpath.analysis.provenance import provenance, stale
from mmdualpath.apis.programs import program
from mmdualpath.fileio import whole_file

COMMAND = ('for seed in 0 1 2 3 4; do bash tools/quickstart.sh --seed $seed; '
           'done; cp work_dirs/quickstart/*.json docs/quickstart')
DEPENDS = ('configs/dualpath_vit-mini_digits.py',
           'configs/miniature/dualpath-spatial_vit-mini_digits.py',
           'configs/miniature/pretrain_vit-mini_digits.py',
           'tools/data/render_digits.py')
# What is said of an accuracy, and the log and the metric that have it.
FIGURES = {
    'still digits, the frozen ViT': ('pretrain.log', 'accuracy/top1'),
    'DualPath': ('dualpath.test.log', 'acc/top1'),
    'without the temporal path': ('spatial.test.log', 'acc/top1'),
}
# A set of frames without their order tells the axis of a motion.
CEILING = 50


def read(folder: Path) -> Dict[str, float]:
    """Accuracies in percent by what they are of.

    Raises:
        ValueError: If a log has none.
    """
    figures = {}
    for name, (log, metric) in FIGURES.items():
        found = re.findall(metric + r': ([\d.]+)', (folder / log).read_text())
        if not found:
            raise ValueError(f'{folder / log} has no {metric}: remove '
                             f'{folder} and run the quickstart again.')
        value = float(found[-1])
        # mmpretrain prints percent, MMAction2 a share.
        figures[name] = round(value if 'accuracy' in metric else 100 * value,
                              2)
    return figures


def file_of(machine: Mapping[str, Any]) -> str:
    """Name of the file of what such a machine reaches."""
    text = f'{machine["cpu"]} torch {machine["torch"]}'.lower()
    words = re.findall(r'[\w.]+', re.sub(r'\((r|tm)\)', '', text))
    return '-'.join(words) + '.json'


def keep(folder: Path, seed: int, figures: Dict[str, float]) -> None:
    """Add a seed's figures to those of the same machine, configs and data."""
    content = provenance(COMMAND, DEPENDS)
    file = folder / file_of(content['machine'])
    if file.exists():
        before = json.loads(file.read_text())
        if not stale(before):
            content['seeds'] = before['seeds']
    content.setdefault('seeds', {})[str(seed)] = figures
    with whole_file(file) as path:
        path.write_text(json.dumps(content, indent=1) + '\n')


def main(args=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path, help='of one quickstart')
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument(
        '--at-least', type=float, default=0, help='percent, for DualPath')
    args = parser.parse_args(args)
    figures = read(args.folder)
    keep(args.folder.parent, args.seed, figures)
    for name, value in figures.items():
        print(f'{name:<30}{value:6.2f} %' +
              (f'  (at most {CEILING} %: half of the motions are the other '
               'half backwards)' if 'without' in name else ''))
    if figures['DualPath'] < args.at_least:
        raise ValueError(f'DualPath reached {figures["DualPath"]} %, expected '
                         f'were at least {args.at_least:g} %.')


if __name__ == '__main__':
    with program():
        main()
