"""Counting the parameters and multiply-adds of a config's model.

Multiply-adds are those of matrix products, convolutions and attention; one
multiply-add is two FLOPs.
"""
import re
from collections import Counter
from typing import Dict, Optional, Tuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..models.adapters import Adapter

CROPS = dict(ThreeCrop=3, TenCrop=10)


def test_views(cfg: Config) -> Tuple[int, int, int, int]:
    """Frames, clips, crops and pixels of a config's test pipeline.

    Raises:
        ValueError: If the pipeline has no sampling or no cropping step.
    """
    clip_len = clips = size = None
    crops = 1
    for step in cfg.test_dataloader.dataset.pipeline:
        if 'clip_len' in step:
            clip_len, clips = step.clip_len, step.get('num_clips', 1)
        crops *= CROPS.get(step.type, 1)
        size = step.get('crop_size', size)
        if step.type == 'Resize' and not step.get('keep_ratio', True):
            size = step.scale[0]
    size = size or find_image_size(cfg.model.backbone)
    if clip_len is None or size is None:
        raise ValueError('The test pipeline must have a step with clip_len '
                         f'and one with crop_size, given '
                         f'{cfg.test_dataloader.dataset.pipeline}.')
    return clip_len, clips, crops, size


def find_image_size(backbone: Config) -> Optional[int]:
    """``img_size`` of a backbone, for pipelines that crop nothing."""
    inner = backbone.get('backbone')
    return backbone.get('img_size') or (inner and find_image_size(inner))


def view_of(cfg: Config) -> Tensor:
    """One test view as the recognizer gets it, on the meta device."""
    frames, clips, _, size = test_views(cfg)
    layout = next(step.input_format
                  for step in cfg.test_dataloader.dataset.pipeline
                  if step.type == 'FormatShape')
    shape = dict(
        NCTHW=(1, 1, 3, frames, size, size),
        NCHW=(1, frames, 3, size, size),
    )[layout]
    return torch.empty(shape, device='meta')


def parts_of(model: nn.Module) -> Dict[str, nn.Module]:
    """Modules whose counts are shown one by one: paths, or the backbone."""
    paths = getattr(model.backbone, 'paths', None)
    parts = {
        p: getattr(model.backbone, p)
        for p in paths
    } if paths else dict(backbone=model.backbone)
    return dict(**parts, head=model.cls_head)


def count_params(model: nn.Module) -> Counter:
    """Parameters by ``trainable`` and ``total``."""
    counts = Counter()
    for parameter in model.parameters():
        counts['total'] += parameter.numel()
        counts['trainable'] += parameter.numel() * parameter.requires_grad
    return counts


def count_macs(model: nn.Module, inputs: Tensor) -> Dict[str, Dict[str, int]]:
    """Multiply-adds of each part, adapters apart from the frozen backbone."""
    adapters = {
        name
        for name, module in model.named_modules()
        if isinstance(module, Adapter)
    }
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(inputs, stage='head')
    by_module = {
        re.sub(r'^[^.]+\.?', '', name): sum(ops.values()) // 2
        for name, ops in counter.get_flop_counts().items()
    }

    def own(name: str) -> int:
        """An adapter's count, less what it wraps."""
        return by_module.get(name, 0) - by_module.get(f'{name}.base', 0)

    macs = {}
    for part, module in parts_of(model).items():
        prefix = next(n for n, m in model.named_modules() if m is module)
        total = by_module.get(prefix, 0)
        adapted = sum(
            own(name) for name in adapters if name.startswith(prefix + '.'))
        if part == 'head':
            macs[part] = dict(head=total)
        else:
            macs[part] = dict(frozen=total - adapted, adapters=adapted)
    return macs
