"""Write what a frozen network knows of all videos into files, once.

    python tools/cache_features.py configs/probes/probe_vitb_ssv2.py \\
        --out work_dirs/features --views 2 --dtype fp16
    python tools/train.py configs/probes/probe_vitb_ssv2.py \\
        --cfg-options model.backbone.cache=work_dirs/features

The config's backbone is a FrozenFeatures. Run the same command again to go on
where it stopped; --part shares the work between processes or machines that
write into the same folder.
"""
import argparse
import logging
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import Dataset

from mmdualpath.apis.programs import program
from mmdualpath.datasets.feature_cache import (SHARD_BYTES, FeatureCache,
                                               label_of)
from mmdualpath.datasets.randomness import Draw
from mmdualpath.engine.hooks.cached_features import cache_key

SPLITS = ('train', 'val', 'test')
DTYPES = dict(fp32='float32', fp16='float16', bf16='bfloat16')


@torch.no_grad()
def features_of(model: nn.Module, sample: Dict[str, Any]) -> Tensor:
    """Features ``(M*T, L, N, C)`` of a sample, read by itself."""
    batch = dict(
        inputs=[sample['inputs']], data_samples=[sample['data_samples']])
    inputs = model.data_preprocessor(batch)['inputs']
    tokens = model.backbone(inputs.flatten(0, 1)).tokens
    shapes = {tuple(t.shape) for t in tokens}
    if len(shapes) > 1:
        raise ValueError(f'blocks={list(model.backbone.blocks)} give tokens '
                         f'of several shapes, {sorted(shapes)}: keep those '
                         'of one.')
    return torch.stack(tokens, 1)


def samples_of(model: nn.Module, dataset: Dataset, views: int,
               items: Sequence[int]) -> Iterator[Tuple[Tensor, Dict]]:
    """Features and label of some items, the same whenever they are asked."""
    for item in items:
        video, view = divmod(item, views)
        sample = dataset[Draw(video, (0, view, video))]
        yield features_of(model, sample), label_of(sample['data_samples'])


def split_of(cfg: Config, split: str, model: nn.Module,
             args: argparse.Namespace) -> Tuple[FeatureCache, Dataset]:
    """The cache of a split, its index written, and its data set."""
    dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
    key = cache_key(cfg, split, model, dataset)
    views = args.views if split == 'train' else 1
    features, _ = next(samples_of(model, dataset, views, [0]))
    dtype = DTYPES[args.dtype]
    size = features.numel() * getattr(torch, dtype).itemsize
    index = dict(
        key=key,
        videos=len(dataset),
        views=views,
        shape=list(features.shape),
        dtype=dtype,
        per_shard=max(1, args.shard_bytes // size))
    return FeatureCache(args.out / split, index), dataset


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
    console = Console(stderr=True)
    if args.check:
        for split in args.splits:
            cache = FeatureCache(args.out / split)
            for shard in track(cache.shards(), split, console=console):
                cache.check(shard)
        print('All shards are as they were written.')
        return

    model = MODELS.build(cfg.model).eval()
    model.to('cuda' if torch.cuda.is_available() else 'cpu')
    work = [split_of(cfg, split, model, args) for split in args.splits]
    for cache, dataset in work:
        shards = cache.missing(*args.part)
        print(f'{cache.folder}: {len(cache)} features of {cache.shape} '
              f'{cache.dtype}, {len(cache) * cache.item_bytes / 1e9:.3g} GB '
              f'in {len(cache.shards())} shards; {len(shards)} to write here')
        cache.refuse_no_space(shards)
    for cache, dataset in work:
        for shard in track(
                cache.missing(*args.part), cache.folder.name, console=console):
            cache.write(
                shard,
                samples_of(model, dataset, cache.views, cache.items(shard)))


if __name__ == '__main__':
    with program():
        main()
