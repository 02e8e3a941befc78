"""Writing what a frozen network knows of videos into files."""
from pathlib import Path
from typing import Any, Dict, Iterator, Sequence, Tuple

import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..datasets.feature_cache import SHARD_BYTES, FeatureCache, label_of
from ..datasets.randomness import Draw
from ..engine.hooks.cached_features import cache_key

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


def split_of(cfg: Config, split: str, model: nn.Module, folder: Path,
             views: int, dtype: str,
             shard_bytes: int) -> Tuple[FeatureCache, Dataset]:
    """The cache of a split, its index written, and its data set."""
    dataset = DATASETS.build(cfg[f'{split}_dataloader'].dataset)
    key = cache_key(cfg, split, model, dataset)
    views = views if split == 'train' else 1
    features, _ = next(samples_of(model, dataset, views, [0]))
    dtype = DTYPES[dtype]
    size = features.numel() * getattr(torch, dtype).itemsize
    index = dict(
        key=key,
        videos=len(dataset),
        views=views,
        shape=list(features.shape),
        dtype=dtype,
        per_shard=max(1, shard_bytes // size))
    return FeatureCache(folder / split, index), dataset


def write_features(cfg: Config,
                   folder: Path,
                   splits: Sequence[str] = ('train', 'val'),
                   views: int = 1,
                   dtype: str = 'fp16',
                   part: Tuple[int, int] = (0, 1),
                   shard_bytes: int = SHARD_BYTES) -> None:
    """Write what is not there yet of the features of some videos.

    Args:
        cfg: A config whose backbone is a ``FrozenFeatures``.
        folder: Gets a folder for each split.
        splits: Of ``SPLITS``.
        views: Augmented views of each training video.
        dtype: Of ``DTYPES``.
        part: A number from 0 on, and how many parts there are.
        shard_bytes: Bytes of a file, at most.

    Raises:
        ValueError: If the features cannot be kept, the folder holds those of
            something else, or they do not fit.
    """
    console = Console(stderr=True)
    model = MODELS.build(cfg.model).eval()
    model.to('cuda' if torch.cuda.is_available() else 'cpu')
    work = [
        split_of(cfg, split, model, folder, views, dtype, shard_bytes)
        for split in splits
    ]
    for cache, dataset in work:
        shards = cache.missing(*part)
        print(f'{cache.folder}: {len(cache)} features of {cache.shape} '
              f'{cache.dtype}, {len(cache) * cache.item_bytes / 1e9:.3g} GB '
              f'in {len(cache.shards())} shards; {len(shards)} to write here')
        cache.refuse_no_space(shards)
    for cache, dataset in work:
        for shard in track(
                cache.missing(*part), cache.folder.name, console=console):
            cache.write(
                shard,
                samples_of(model, dataset, cache.views, cache.items(shard)))
