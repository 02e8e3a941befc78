"""Models without values: for counting, and for trying configs out."""
import copy
from functools import partial
from unittest.mock import patch

import torch
from mmaction.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from torch import nn


def without_weights(cfg: ConfigDict) -> ConfigDict:
    """A copy of a model's config that reads no pretrained file.

    Every ``init_cfg`` of type ``Pretrained`` becomes ``RandomWeights``.

    Args:
        cfg: Config of a model or of any part of one.
    """
    cfg = copy.deepcopy(cfg)
    parts = [cfg]
    while parts:
        part = parts.pop()
        if isinstance(part, (list, tuple)):
            parts.extend(part)
        elif isinstance(part, dict):
            init_cfg = part.get('init_cfg')
            if isinstance(init_cfg, dict) \
                    and init_cfg.get('type') == 'Pretrained':
                part['init_cfg'] = dict(type='RandomWeights')
            parts.extend(part.values())
    return cfg


def build_structure(cfg: ConfigDict) -> nn.Module:
    """Build a model on the meta device: shapes, no memory, no weights.

    Args:
        cfg: Config of a model; pretrained weights in it are ignored.
    """
    # Without values there is nothing to initialise, and the drop path rates
    # that networks read from a tensor have to come from a real one.
    with torch.device('meta'), \
            patch.object(BaseModule, 'init_weights', lambda self: None), \
            patch.object(torch, 'linspace',
                         partial(torch.linspace, device='cpu')):
        return MODELS.build(without_weights(cfg))
