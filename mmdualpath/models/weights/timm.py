"""Files that timm publishes, under timm's own names.

Target: ``TimmBackbone``. What names and shapes do not show is read from the
``config.json`` that timm writes beside its files: the model it names is built
without values, and compared with the one that is loaded.
"""
from typing import Any, Dict, Mapping, Optional, Set

import torch
from torch import nn

from .base import Format, StateDict

WHITE = 255


def sizeless_facts(module: nn.Module) -> Dict[str, Set]:
    """What is not seen in names and shapes of a network's tensors.

    Returns:
        ``eps`` of the norms, ``act`` and ``num_heads``, each as the set of
        all values in the network.
    """
    parts = list(module.modules())
    acts = {'GELU', 'GELUTanh', 'QuickGELU', 'ReLU', 'SiLU'}
    return dict(
        eps={m.eps
             for m in parts if isinstance(m, nn.LayerNorm)},
        act={_act(m)
             for m in parts} & acts,
        num_heads={
            number
            for m in parts
            for number in (
                getattr(m, 'num_heads', getattr(m, 'heads', None)), )
            if isinstance(number, int)
        })


def _act(module: nn.Module) -> str:
    if isinstance(module, nn.GELU) and module.approximate == 'tanh':
        return 'GELUTanh'
    return type(module).__name__


def pixels(config: Mapping) -> Optional[Dict[str, Any]]:
    """Normalisation of pixels from 0 to 255, given one of 0 to 1."""
    if not (config.get('mean') and config.get('std')):
        return None
    return {n: [WHITE * v for v in config[n]] for n in ('mean', 'std')}


def sidecar_facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    """From timm's ``config.json``, if it lies beside the file.

    Raises:
        ValueError: If it names a model that timm does not have.
    """
    if 'architecture' not in config:
        return {}
    told = dict(
        normalization=pixels(config.get('pretrained_cfg', {})),
        pooling=config.get('global_pool'))
    facts = {k: v for k, v in told.items() if v}
    try:
        import timm
    except ImportError:
        if 'clip_quickgelu' in config['architecture']:
            facts['act'] = 'QuickGELU'
        return facts
    if not timm.is_model(config['architecture']):
        raise ValueError(f'The config beside the file names the model '
                         f'{config["architecture"]!r}, which timm '
                         f'{timm.__version__} does not have.')
    options = dict(config.get('model_args', {}), num_classes=0)
    with torch.device('meta'):
        model = timm.create_model(config['architecture'], **options)
    return {**sizeless_facts(model), **facts}


def tells_no_activation(state_dict: StateDict) -> bool:
    """CLIP was trained with both QuickGELU and GELU, in files that look alike.
    """
    return 'norm_pre.weight' in state_dict \
        and 'blocks.0.norm1.weight' in state_dict


TIMM = Format(
    name='timm',
    recognise=lambda s: 'patch_embed.proj.weight' in s,
    rules=(
        (r'(head|head_dist)(\.fc)?\.(weight|bias)', None),
        (r'mask_token|dist_token', None),
        # computed from sizes, and kept in earlier files
        (r'.*\.(attn_mask|relative_position_index|relative_coords_table)', None
         ),
    ),
    facts=sidecar_facts,
    optional=(r'attn_pool\..*', ))
