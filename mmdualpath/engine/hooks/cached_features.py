"""Features from files take the place of videos."""
from pathlib import Path
from typing import Any, Dict

from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

from ...datasets.feature_cache import FeatureCache, ReadFeatures, key_of
from ...models.backbones import AdaptedBackbone
from ...options import checked


def cache_key(cfg: Config, split: str, model: nn.Module,
              dataset: Dataset) -> Dict[str, str]:
    """What the features of a split depend on, see :func:`key_of`.

    Args:
        cfg: The whole config.
        split: ``train``, ``val`` or ``test``.
        model: A recognizer with ``FrozenFeatures`` or an ``AdaptedBackbone``
            whose first blocks are frozen.
        dataset: The data set of the split.

    Raises:
        ValueError: If features of such a model cannot be kept.
    """
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, AdaptedBackbone):
        raise ValueError(f'{type(backbone).__name__} gives no features that '
                         'can be kept: model.backbone must be a '
                         'FrozenFeatures or an AdaptedBackbone.')
    backbone.refuse_cache()
    for name in ('blending', 'augment'):
        if cfg.model.data_preprocessor.get(name):
            raise ValueError(f'data_preprocessor.{name} changes images in '
                             'each step: features of them cannot be kept.')
    data = cfg[f'{split}_dataloader'].dataset
    if 'pipeline' not in data or not hasattr(dataset, 'data_prefix'):
        raise ValueError(f'{split}_dataloader: features are kept of a plain '
                         f'data set of videos, not of {data.type}.')
    features = backbone.features_of(cfg.model.backbone.to_dict())
    return key_of(features, backbone.fingerprint.sha256,
                  cfg.model.data_preprocessor, data.pipeline, dataset)


@HOOKS.register_module()
@checked
class CachedFeaturesHook(Hook):
    """Let the loaders read features if ``model.backbone.cache`` is set.

    Before a split is read for the first time, the key of its features is
    compared with the config, its data set gets a pipeline that reads them,
    and the data preprocessor one that leaves them as they are. Without
    ``cache`` it does nothing.

    Raises:
        ValueError: If the features are of something else.
    """
    priority = 'VERY_HIGH'

    def before_train(self, runner: Runner) -> None:
        """Prepare the training data."""
        self._prepare(runner, 'train', runner.train_loop.dataloader)

    def before_val(self, runner: Runner) -> None:
        """Prepare the validation data."""
        self._prepare(runner, 'val', runner.val_loop.dataloader)

    def before_test(self, runner: Runner) -> None:
        """Prepare the test data."""
        self._prepare(runner, 'test', runner.test_loop.dataloader)

    @staticmethod
    def _prepare(runner: Runner, split: str, loader: DataLoader) -> None:
        model: Any = runner.model
        model = model.module if is_model_wrapper(model) else model
        folder = getattr(model.backbone, 'cache', None)
        dataset = loader.dataset
        if folder is None:
            return
        read = getattr(dataset, 'pipeline', None)
        if isinstance(read, ReadFeatures):
            model.backbone.base.image_shape = read.cache.image
            return
        cache = FeatureCache(Path(folder, split))
        cache.refuse_others(cache_key(runner.cfg, split, model, dataset))
        for shard in cache.shards():  # a bad one is no unreadable video
            cache.open(shard)
        dataset.pipeline = ReadFeatures(cache)
        model.backbone.base.image_shape = cache.image
        device = next(model.parameters()).device
        model.data_preprocessor = MODELS.build(
            dict(type='ActionDataPreprocessor', to_float32=False)).to(device)
