"""A folder of videos in, a trained model out.

    python tools/fit.py my_videos/ --backbone checkpoints/ViT-B-16.pt \\
        --out work_dirs/mine

Takes class folders (my_videos/jumping/person01_take2.mp4), a table or an
annotation file with one or several labels a video. Every video is looked at
first; takes of one recording stay on one side of the split. What is read and
how is chosen from the data and the machine and written into ordinary configs,
each choice with its reason; an option below sets it otherwise. First a probe
on frozen features is trained, then DualPath's adapters, and the model is
compared with itself on frames in another order. The same command goes on
where it was stopped. docs/fit.md says more.
"""
import argparse
import warnings
from pathlib import Path
from typing import Any, Dict, Optional, Sequence

from mmdualpath.apis.fit import STAGES, fit
from mmdualpath.apis.fit.balancing import WAYS
from mmdualpath.apis.fit.recipe import AUGMENTATIONS
from mmdualpath.apis.programs import program
from mmdualpath.compat import enable_cpu


def main(args: Optional[Sequence[str]] = None) -> Dict[str, Any]:
    """Parse the command line and fit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    yes_no = argparse.BooleanOptionalAction
    parser.add_argument('source', type=Path, help='folder or list of videos')
    parser.add_argument(
        '--backbone',
        required=True,
        help='weights of CLIP, another published file, or a name such as '
        'vitb')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder to write')
    parser.add_argument(
        '--until', choices=STAGES, default=STAGES[-1], help='and no further')
    data = parser.add_argument_group('data')
    data.add_argument('--val', type=Path, help='videos to validate')
    data.add_argument('--root', type=Path, help='that paths of lists begin in')
    data.add_argument(
        '--labels', type=Path, help='names of classes that have numbers')
    data.add_argument(
        '--group',
        default='auto',
        help='what tells recordings apart: auto, none, or a regular '
        'expression\nfor names of files, such as "^(person[0-9]+)"')
    data.add_argument('--val-share', type=float, default=0.2)
    recipe = parser.add_argument_group(
        'recipe', 'by default chosen from the data and the machine')
    recipe.add_argument('--balance', choices=('auto', *WAYS), default='auto')
    for name in ('frames', 'probe-frames', 'batch-size', 'accumulate',
                 'num-workers', 'epochs', 'seed'):
        recipe.add_argument(f'--{name}', type=int)
    for name in ('lr', 'weight-decay'):
        recipe.add_argument(f'--{name}', type=float)
    recipe.add_argument(
        '--hours', type=float, help='of training; on a CPU 2 by default')
    recipe.add_argument('--augment', choices=AUGMENTATIONS)
    for name in ('flip', 'amp', 'with-cp'):
        recipe.add_argument(f'--{name}', action=yes_no, default=None)
    given = vars(parser.parse_args(args))
    enable_cpu()
    warnings.filterwarnings('ignore')
    return fit(**given)


if __name__ == '__main__':
    with program():
        main()
