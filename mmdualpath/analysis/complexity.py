"""Counting the parameters and multiply-adds of a config's model.

Multiply-adds are those of matrix products, convolutions and attention; one
multiply-add is two FLOPs.
"""
import copy
from collections import Counter
from typing import Any, Callable, Dict, Optional, Tuple

import torch
from mmengine.config import Config
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ..models.backbones import strip, views_of

# torch 2.8 counts fused attention on other devices alone.
FUSED_ON_CPU = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu:
    lambda q, k, v, *args, **kwargs: sdpa_flop_count(q, k, v)
}
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


def count_params(model: nn.Module) -> Counter:
    """Parameters by ``trainable`` and ``total``."""
    counts = Counter()
    for parameter in model.parameters():
        counts['total'] += parameter.numel()
        counts['trainable'] += parameter.numel() * parameter.requires_grad
    return counts


def count_macs(model: nn.Module, inputs: Tensor) -> Dict[str, Dict[str, int]]:
    """Multiply-adds of each path and the head for one view.

    ``frozen`` is what the backbone takes without adapters, ``adapters`` what
    it takes more with them: their own products, and those of the backbone
    with the tokens, keys and values that they add.
    """
    bare = copy.deepcopy(model)
    for view in views_of(bare.backbone).values():
        strip(view)
    whole, without = _macs_of(model, inputs), _macs_of(bare, inputs)
    macs = {}
    for path, view in views_of(model.backbone).items():
        name = next(n for n, m in model.named_modules() if m is view)
        macs[path] = dict(
            frozen=without[name], adapters=whole[name] - without[name])
    return dict(macs, head=dict(head=whole['cls_head']))


def macs_of_call(call: Callable[[], Any]) -> int:
    """Multiply-adds of whatever a call computes."""
    counter = FlopCounterMode(display=False, custom_mapping=FUSED_ON_CPU)
    with counter, torch.no_grad():
        call()
    return counter.get_total_flops() // 2


def _macs_of(model: nn.Module, inputs: Tensor) -> Counter:
    """Multiply-adds of every module by its name."""
    counter = FlopCounterMode(display=False, custom_mapping=FUSED_ON_CPU)
    with counter, torch.no_grad():
        model.eval()(inputs, stage='head')
    return Counter({
        name.partition('.')[2]: sum(ops.values()) // 2
        for name, ops in counter.get_flop_counts().items()
    })
