"""Files that Hugging Face's transformers writes, under its own names.

Target: ``TransformersBackbone``. What names and shapes do not show is read
from the ``config.json`` beside the file, pixels from ``preprocessor_config``.
"""
from typing import Any, Dict, Mapping

from .base import Format, StateDict
from .timm import pixels

# Of whole models, and of files of earlier releases.
_PREFIX = r'(?:(?:vision_model|dinov2|dinov2_with_registers|vjepa2)\.)?'
_BLOCK = _PREFIX + r'((?:model\.|encoder\.)?layers?\.\d+\.)'
# Entries of a config that change what the same tensors compute.
SHAPELESS = ('hidden_act', 'layer_norm_eps', 'num_attention_heads',
             'patch_size', 'rope_theta', 'tubelet_size')

RULES = (
    (_PREFIX + r'(?:text_model|predictor|pooler|classifier)\..*', None),
    (r'logit_(scale|bias)', None),
    (_PREFIX + r'embeddings\.position_ids', None),
    *((_BLOCK + rf'attention\.attention\.{name}\.(.*)',
       rf'\1attention.base.{name[0]}_proj.\2')
      for name in ('query', 'key', 'value')),
    (_BLOCK + r'attention\.output\.dense\.(.*)',
     r'\1attention.base.o_proj.\2'),
    (_BLOCK + r'(attention|self_attn)\.(.*)', r'\1\2.base.\3'),
    (_BLOCK + r'mlp\.weights_out\.(.*)', r'\1mlp.down_proj.\2'),
    (_PREFIX + r'(.*)', r'\1'),
)
# DINOv3 before transformers 5 had no encoder of its own.
DINOV3 = (
    (r'layer\.(\d+)\.attention\.(.*)', r'model.layer.\1.attention.base.\2'),
    (r'layer\.(\d+)\.(.*)', r'model.layer.\1.\2'),
)
# Blocks of V-JEPA 2 give more than tokens.
_VJEPA2 = r'(?:vjepa2\.)?encoder\.layer\.(\d+)\.'
VJEPA2 = ((_VJEPA2 + r'attention\.(.*)',
           r'encoder.layer.\1.base.attention.base.\2'),
          (_VJEPA2 + r'(.*)', r'encoder.layer.\1.base.\2'))


def vision_config(config: Any) -> Any:
    """The part of a config of the library that is about images."""
    return getattr(config, 'vision_config', config)


def facts_of(config: Any) -> Dict[str, Any]:
    """What a vision model's config tells that tensors do not show."""
    return {n: getattr(config, n) for n in SHAPELESS if hasattr(config, n)}


def sidecar_facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    """From the config and the preprocessor's beside the file."""
    facts: Dict[str, Any] = {}
    if 'model_type' in config:
        from transformers import AutoConfig
        facts = facts_of(vision_config(AutoConfig.for_model(**config)))
    image = {n: config.get(f'image_{n}') for n in ('mean', 'std')}
    return dict(facts, normalization=pixels(image))


def _finish(tensors: StateDict) -> StateDict:
    finished = {}
    for name, tensor in tensors.items():
        if '.mlp.weights_in.' in name:  # gate and value in one layer
            for part, half in zip(('gate', 'up'), tensor.chunk(2)):
                finished[name.replace('weights_in', f'{part}_proj')] = half
        else:
            finished[name] = tensor
    return finished


def format_of(model_type: str) -> Format:
    """The format of a kind of model, by the library's name for it."""
    own = dict(dinov3_vit=DINOV3, vjepa2=VJEPA2).get(model_type, ())
    return Format(
        name='transformers',
        recognise=lambda s: False,  # only a TransformersBackbone takes it
        rules=(*own, *RULES),
        finish=_finish,
        facts=sidecar_facts,
        optional=(r'head\..*', ))
