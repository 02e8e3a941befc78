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
from ..models.backbones import AdaptedBackbone, FrozenFeatures
from ..models.backbones.resume import put_out

SPLITS = ('train', 'val', 'test')
DTYPES = dict(fp32='float32', fp16='float16', bf16='bfloat16')


class Reader:
    """What goes into files of a recognizer's videos.

    Args:
        model: The recognizer.
        cfg: The whole config.
    """

    def __init__(self, model: nn.Module, cfg: Config) -> None:
        self.model, self.cfg = model, cfg
        self.backbone = model.backbone
        if isinstance(self.backbone, AdaptedBackbone) and not isinstance(
                self.backbone, FrozenFeatures):
            self.backbone.refuse_cache()
            self.backbone = MODELS.build(
                self.backbone.features_of(cfg.model.backbone)).to(
                    next(model.parameters()).device)

    def images(self, sample: Dict[str, Any]) -> Tensor:
        """A sample as the network reads it, by itself: ``(M*T, 3, H, W)``."""
        batch = dict(
            inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        return self.model.data_preprocessor(batch)['inputs'].flatten(0, 1)

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Features ``(M*T, L, N, C)`` of images.

        Raises:
            ValueError: If blocks give tokens of several shapes.
        """
        tokens = self.backbone(images).tokens
        shapes = {tuple(t.shape) for t in tokens}
        if len(shapes) > 1:
            raise ValueError(f'blocks={list(self.backbone.blocks)} give '
                             f'tokens of several shapes, {sorted(shapes)}: '
                             'keep those of one.')
        return torch.stack(tokens, 1)

    def samples(self, dataset: Dataset, views: int,
                items: Sequence[int]) -> Iterator[Tuple[Tensor, Dict]]:
        """Features and label of some items, the same whenever asked."""
        for item in items:
            video, view = divmod(item, views)
            sample = dataset[Draw(video, (0, view, video))]
            yield self.features(self.images(sample)), label_of(
                sample['data_samples'])

    def refuse_others(self, images: Tensor) -> None:
        """Compare with what is computed in training.

        Raises:
            ValueError: If the blocks are not the frozen ones there.
        """
        adapted, dtype = self.model.backbone, self.backbone.dtype
        if self.backbone is adapted:
            return
        block, = self.backbone.blocks
        half = dtype in (torch.float16, torch.bfloat16)
        adapted.train()
        with torch.autocast(images.device.type, dtype, enabled=half):
            trained = put_out(adapted.base, block, images)
        adapted.eval()
        if not torch.equal(trained, self.features(images)[:, 0]):
            raise ValueError(f'In training the blocks up to {block} give '
                             'something else than the frozen network does: '
                             'set its drop rates to zero.')

    def split(self, split: str, folder: Path, views: int, dtype: str,
              shard_bytes: int) -> Tuple[FeatureCache, Dataset]:
        """The cache of a split, its index written, and its data set."""
        dataset = DATASETS.build(self.cfg[f'{split}_dataloader'].dataset)
        key = cache_key(self.cfg, split, self.model, dataset)
        images = self.images(dataset[Draw(0, (0, 0, 0))])
        self.refuse_others(images)
        features = self.features(images)
        dtype = DTYPES[dtype]
        size = features.numel() * getattr(torch, dtype).itemsize
        index = dict(
            key=key,
            videos=len(dataset),
            views=views if split == 'train' else 1,
            shape=list(features.shape),
            image=list(images.shape[1:]),
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
        cfg: A config whose backbone is a ``FrozenFeatures``, or an
            ``AdaptedBackbone`` whose first blocks are frozen.
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
    reader = Reader(model, cfg)
    work = [
        reader.split(split, folder, views, dtype, shard_bytes)
        for split in splits
    ]
    for cache, dataset in work:
        shards = cache.missing(*part)
        print(f'{cache.folder}: {len(cache)} features of {cache.shape} '
              f'{cache.dtype}, {len(cache) * cache.item_bytes / 1e9:.3g} GB '
              f'in {len(cache.shards())} shards; {len(shards)} to write here')
        cache.sweep()
        cache.refuse_no_space(shards)
    for cache, dataset in work:
        for shard in track(
                cache.missing(*part), cache.folder.name, console=console):
            cache.write(
                shard, reader.samples(dataset, cache.views,
                                      cache.items(shard)))
