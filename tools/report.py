"""Write what a trained model is worth as one page of HTML.

    python tools/report.py CONFIG CHECKPOINT --out report.html \\
        --labels labels.txt

Tests the model on the test videos of its config by stock testing, and again
with shuffled and reversed frames. The page needs nothing besides itself.
"""
import argparse
from pathlib import Path
from typing import Optional, Sequence, Tuple

from mmengine.config import Config, DictAction

from mmdualpath.apis.programs import program
from mmdualpath.apis.report import write_report


def named_figure(text: str) -> Tuple[str, float]:
    """``NAME=0.61`` as name and figure."""
    name, _, value = text.rpartition('=')
    try:
        return name or value, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not NAME=FIGURE, such as "linear probe=0.61".')


def main(args: Optional[Sequence[str]] = None) -> None:
    """Write the page of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint', help='path or URL')
    parser.add_argument('--out', type=Path, default=Path('report.html'))
    parser.add_argument(
        '--labels', type=Path, help='file with the name of a class per line')
    parser.add_argument(
        '--device', default='auto', help='such as cpu or cuda:0')
    parser.add_argument(
        '--compare',
        type=named_figure,
        nargs='+',
        default=[],
        metavar='NAME=FIGURE',
        help='accuracies of others, from 0 to 1, to stand beside')
    parser.add_argument(
        '--errors', type=int, default=12, help='mistakes that are shown')
    parser.add_argument(
        '--time-videos',
        type=int,
        default=1000,
        help='videos whose frames are reordered at most; 0 leaves that out')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(args)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    path = write_report(cfg,
                        args.checkpoint, args.out, args.labels, args.device,
                        dict(args.compare), args.errors, args.time_videos)
    print(f'Wrote {path}.')


if __name__ == '__main__':
    with program():
        main()
