"""Write what a frozen network knows of all videos into files, once.

    python tools/cache_features.py configs/probes/probe_vitb_ssv2.py \\
        --out work_dirs/features --views 2 --dtype fp16
    python tools/train.py configs/probes/probe_vitb_ssv2.py \\
        --cfg-options model.backbone.cache=work_dirs/features

The config's backbone is a FrozenFeatures, or an AdaptedBackbone whose first
blocks are neither adapted nor trained: what the last of these puts out is
written then. Run the same command again to go on where it stopped; --part
shares the work between processes or machines that write into the same folder.
"""
import argparse
import logging
from pathlib import Path
from typing import Optional, Sequence, Tuple

from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track

from mmdualpath.apis.caching import DTYPES, SPLITS, write_features
from mmdualpath.apis.programs import program
from mmdualpath.datasets.feature_cache import SHARD_BYTES, FeatureCache


def part(text: str) -> Tuple[int, int]:
    """``3/8`` as a number from 0 on, and how many there are."""
    number, _, parts = text.partition('/')
    if not (number.isdecimal() and parts.isdecimal()
            and 0 < int(number) <= int(parts)):
        raise argparse.ArgumentTypeError(f'{text} is none like 3/8')
    return int(number) - 1, int(parts)


def main(args: Optional[Sequence[str]] = None) -> None:
    """Write what is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/features'))
    parser.add_argument(
        '--splits', nargs='+', choices=SPLITS, default=('train', 'val'))
    parser.add_argument(
        '--views', type=int, default=1, help='of each training video')
    parser.add_argument('--dtype', choices=DTYPES, default='fp16')
    parser.add_argument(
        '--part', type=part, default=(0, 1), help='such as 3/8')
    parser.add_argument(
        '--shard-bytes', type=int, default=SHARD_BYTES, help='at most')
    parser.add_argument(
        '--check', action='store_true', help='compare checksums, only')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(args)
    if args.views < 1:
        parser.error('--views is positive')
    logging.disable(logging.WARNING)  # what random weights are, at length
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    if args.check:
        console = Console(stderr=True)
        for split in args.splits:
            cache = FeatureCache(args.out / split)
            for shard in track(cache.shards(), split, console=console):
                cache.check(shard)
        print('All shards are as they were written.')
        return

    write_features(cfg, args.out, args.splits, args.views, args.dtype,
                   args.part, args.shard_bytes)


if __name__ == '__main__':
    with program():
        main()
