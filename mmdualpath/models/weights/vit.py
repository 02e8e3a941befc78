"""ViT, as timm, MAE and Google publish it.

Target: mmpretrain's ``VisionTransformer``.
"""
import re
from typing import Any, Dict, Mapping

from .base import IMAGENET, Format, StateDict, stack_qkv
from .timm import is_clip, pixels, sidecar_model, sizeless_facts

EPS = 1e-6

TIMM = (
    (r'patch_embed\.proj\.(.*)', r'patch_embed.projection.\1'),
    (r'norm_pre\.(.*)', r'pre_norm.\1'),
    (r'norm\.(.*)', r'ln1.\1'),
    (r'fc_norm\.(.*)', r'ln2.\1'),
    (r'blocks\.(\d+)\.norm(\d)\.(.*)', r'layers.\1.ln\2.\3'),
    (r'blocks\.(\d+)\.attn\.(.*)', r'layers.\1.attn.\2'),
    (r'blocks\.(\d+)\.mlp\.fc1\.(.*)', r'layers.\1.ffn.layers.0.0.\2'),
    (r'blocks\.(\d+)\.mlp\.fc2\.(.*)', r'layers.\1.ffn.layers.1.\2'),
    # The classifier, and MAE's decoder.
    (r'(head|pre_logits|decoder_.*)\..*', None),
    (r'mask_token|decoder_pos_embed', None),
)

_BLOCK = r'Transformer/encoderblock_(\d+)/'
_ATTENTION = _BLOCK + r'MultiHeadDotProductAttention_\d+/'
GOOGLE = (
    (r'cls', 'cls_token'),
    (r'Transformer/posembed_input/pos_embedding', 'pos_embed'),
    (r'embedding/(.*)', r'patch_embed.projection.\1'),
    (r'Transformer/encoder_norm/(.*)', r'ln1.\1'),
    (_BLOCK + r'LayerNorm_0/(.*)', r'layers.\1.ln1.\2'),
    (_BLOCK + r'LayerNorm_2/(.*)', r'layers.\1.ln2.\2'),
    (_ATTENTION + r'query/(.*)', r'layers.\1.attn.q.\2'),
    (_ATTENTION + r'key/(.*)', r'layers.\1.attn.k.\2'),
    (_ATTENTION + r'value/(.*)', r'layers.\1.attn.v.\2'),
    (_ATTENTION + r'out/(.*)', r'layers.\1.attn.proj.\2'),
    (_BLOCK + r'MlpBlock_\d+/Dense_0/(.*)', r'layers.\1.ffn.layers.0.0.\2'),
    (_BLOCK + r'MlpBlock_\d+/Dense_1/(.*)', r'layers.\1.ffn.layers.1.\2'),
    (r'(head|pre_logits)/.*', None),
)


def _from_google(tensors: StateDict) -> StateDict:
    """Flax kernels end with the output axis, torch weights begin with it."""
    renamed = {}
    for name, tensor in tensors.items():
        if name.endswith('.kernel'):
            name = name[:-len('kernel')] + 'weight'
            if tensor.dim() == 4:  # (h, w, in, out) of a convolution
                tensor = tensor.permute(3, 2, 0, 1)
            elif re.search(r'attn\.[qkv]\.', name):  # (in, heads, channels)
                tensor = tensor.flatten(1).T
            elif 'attn.proj.' in name:  # (heads, channels, out)
                tensor = tensor.flatten(0, 1).T
            else:
                tensor = tensor.T
        elif name.endswith('.scale'):
            name = name[:-len('scale')] + 'weight'
        elif name.endswith('.bias'):
            tensor = tensor.flatten()
        renamed[name] = tensor
    return stack_qkv(renamed, ('attn.q', 'attn.k', 'attn.v'), 'attn.qkv')


def _timm_facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    # timm's CLIP models, with a pre-norm, have another eps than the rest.
    facts: Dict[str, Any] = dict(eps=1e-5 if is_clip(state_dict) else EPS)
    model = sidecar_model(config)
    if model is not None:
        facts.update(sizeless_facts(model))
    elif 'clip_quickgelu' in config.get('architecture', ''):
        facts['act'] = 'QuickGELU'
    told = pixels(config.get('pretrained_cfg', {}))
    if 'decoder_pos_embed' in state_dict:  # a whole MAE
        told = told or IMAGENET
    return dict(facts, normalization=told)


def _google_heads(state_dict: StateDict) -> int:
    kernel = ('Transformer/encoderblock_0/MultiHeadDotProductAttention_1/'
              'query/kernel')
    return state_dict[kernel].shape[1]


FORMATS = (
    Format(
        name='timm-vit',
        recognise=lambda s: 'blocks.0.norm1.weight' in s and
        'patch_embed.proj.weight' in s and s['patch_embed.proj.weight'].dim(
        ) == 4,
        rules=TIMM,
        facts=_timm_facts,
        asks_activation=is_clip),
    Format(
        name='google-vit',
        recognise=lambda s: 'Transformer/encoder_norm/scale' in s,
        rules=GOOGLE,
        finish=_from_google,
        facts=lambda s, _: dict(
            eps=EPS,
            num_heads=_google_heads(s),
            normalization=dict(mean=[127.5] * 3, std=[127.5] * 3))),
)
