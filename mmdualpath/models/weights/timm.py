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
# Of what a module remembers, what follows from the size of images, is compared
# as the pooling, or matters in training alone.
FREE = ('always_partition', 'dynamic_img_pad', 'dynamic_img_size',
        'feat_shape', 'flatten', 'grid_size', 'img_size', 'input_resolution',
        'mask_spatial_shape', 'num_patches', 'output_fmt', 'output_resolution',
        'shift_size', 'size', 'strict_img_size', 'target_shift_size',
        'tokens_spatial_shape', 'window_area', 'window_size', 'global_pool',
        'num_classes', 'pool_type', 'drop_prob', 'fused_attn',
        'grad_checkpointing', 'inplace', 'p', 'scale_by_keep', 'training')
PASSING = ('DropPath', 'Dropout', 'Identity', 'PatchDropout')


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


def plain_facts(network: nn.Module) -> Dict[str, Any]:
    """What the modules of a network of timm remember in plain values.

    Returns:
        Each value by the names of its module and of itself, such as
        ``blocks.0.attn.num_heads``, and the kind of what has no tensors, such
        as ``blocks.0.mlp.act``; nothing that may differ between models that
        compute the same, see ``FREE``.
    """
    facts: Dict[str, Any] = {}
    for name, module in network.named_modules():
        for key, value in vars(module).items():
            if _is_plain(value) and key[0] != '_' and key not in FREE:
                facts[f'{name}.{key}'.lstrip('.')] = _hashable(value)
        kind = type(module).__name__
        leaf = not any(True for _ in module.children())
        if leaf and not module.state_dict() and kind not in PASSING:
            facts[name] = _act(module)
    return facts


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_hashable, value))
    return value


def sidecar_model(config: Mapping) -> Optional[nn.Module]:
    """The model that timm's ``config.json`` names, without values.

    Returns:
        None if there is no such config, or no timm.

    Raises:
        ValueError: If timm does not have it.
    """
    if 'architecture' not in config:
        return None
    try:
        import timm
    except ImportError:
        return None
    if not timm.is_model(config['architecture']):
        raise ValueError(f'The config beside the file names the model '
                         f'{config["architecture"]!r}, which timm '
                         f'{timm.__version__} does not have.')
    options = dict(config.get('model_args', {}), num_classes=0)
    # Files of before timm had models with QuickGELU name the others.
    tag = config.get('pretrained_cfg', {}).get('tag')
    exact = exact_clip(timm, f'{config["architecture"]}.{tag}')
    with torch.device('meta'):
        return timm.create_model(exact or config['architecture'], **options)


def quick_sibling(timm: Any, model_name: str) -> Optional[str]:
    """The same CLIP model with QuickGELU, under timm's name, if it has one.
    """
    architecture, dot, tag = model_name.partition('.')
    if 'quickgelu' in architecture:
        return None
    sibling = architecture.replace('_clip_', '_clip_quickgelu_')
    is_other = sibling != architecture and timm.is_model(sibling)
    return sibling + dot + tag if is_other else None


def exact_clip(timm: Any, model_name: str) -> Optional[str]:
    """Of two models that timm lists some weights of CLIP under, the one that
    they were trained as, if ``model_name`` is the other."""
    sibling = quick_sibling(timm, model_name)
    published = '.' in model_name and sibling in timm.list_pretrained(
        '*clip_quickgelu*')
    return sibling if published else None


def is_clip(state_dict: StateDict) -> bool:
    """Whether a file of timm's ViT is a CLIP model."""
    return 'norm_pre.weight' in state_dict \
        and 'blocks.0.norm1.weight' in state_dict


def _facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    model = sidecar_model(config)
    facts = {} if model is None else plain_facts(model)
    if config.get('global_pool'):
        facts['pooling'] = config['global_pool']
    return dict(facts, normalization=pixels(config.get('pretrained_cfg', {})))


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
    facts=_facts,
    asks_activation=is_clip,
    optional=(r'attn_pool\..*', ))
