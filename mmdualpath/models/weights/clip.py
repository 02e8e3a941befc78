"""CLIP's visual encoder, as OpenAI and others publish it.

Target: ``CLIPVisionTransformer``, or mmpretrain's ``VisionTransformer`` with
``pre_norm=True``.
"""
from typing import Any, Dict, Mapping

from .base import Format, StateDict, stack_qkv
from .timm import pixels

EPS = 1e-5

# Names inside the visual encoder, after the prefix "visual.".
VISUAL = (
    (r'class_embedding', 'cls_token'),
    (r'positional_embedding', 'pos_embed'),
    (r'conv1\.(.*)', r'patch_embed.projection.\1'),
    (r'ln_pre\.(.*)', r'pre_norm.\1'),
    (r'ln_post\.(.*)', r'ln1.\1'),
    (r'transformer\.resblocks\.(\d+)\.ln_(\d)\.(.*)', r'layers.\1.ln\2.\3'),
    (r'transformer\.resblocks\.(\d+)\.attn\.in_proj_(.*)',
     r'layers.\1.attn.qkv.\2'),
    (r'transformer\.resblocks\.(\d+)\.attn\.out_proj\.(.*)',
     r'layers.\1.attn.proj.\2'),
    (r'transformer\.resblocks\.(\d+)\.mlp\.c_fc\.(.*)',
     r'layers.\1.ffn.layers.0.0.\2'),
    (r'transformer\.resblocks\.(\d+)\.mlp\.c_proj\.(.*)',
     r'layers.\1.ffn.layers.1.\2'),
)
# The text tower, and three sizes that OpenAI's archives carry as tensors.
TEXT = tuple((pattern, None) for pattern in (
    r'(transformer|token_embedding|ln_final|text|text_backbone)\..*',
    r'positional_embedding|text_projection|logit_scale|logit_bias|attn_mask',
    r'input_resolution|context_length|vocab_size'))

HF = tuple((r'(?:vision_model\.)?' + pattern, name) for pattern, name in (
    (r'embeddings\.class_embedding', 'cls_token'),
    (r'embeddings\.position_embedding\.weight', 'pos_embed'),
    (r'embeddings\.patch_embedding\.(.*)', r'patch_embed.projection.\1'),
    (r'embeddings\.position_ids', None),
    # The misspelling is in the published files.
    (r'pre_layrnorm\.(.*)', r'pre_norm.\1'),
    (r'post_layernorm\.(.*)', r'ln1.\1'),
    (r'encoder\.layers\.(\d+)\.layer_norm(\d)\.(.*)', r'layers.\1.ln\2.\3'),
    (r'encoder\.layers\.(\d+)\.self_attn\.out_proj\.(.*)',
     r'layers.\1.attn.proj.\2'),
    (r'encoder\.layers\.(\d+)\.self_attn\.(.)_proj\.(.*)',
     r'layers.\1.attn.\2.\3'),
    (r'encoder\.layers\.(\d+)\.mlp\.fc1\.(.*)',
     r'layers.\1.ffn.layers.0.0.\2'),
    (r'encoder\.layers\.(\d+)\.mlp\.fc2\.(.*)', r'layers.\1.ffn.layers.1.\2'),
)) + (
    (r'visual_projection\.weight', 'proj'),
    (r'text_model\..*|text_projection\.weight|logit_scale', None),
)


def _with_axes(tensors: StateDict) -> StateDict:
    """A class token (C) and positions (N, C) get this package's shapes."""
    tensors['cls_token'] = tensors['cls_token'].reshape(1, 1, -1)
    tensors['pos_embed'] = tensors['pos_embed'].reshape(
        1, -1, tensors['cls_token'].shape[-1])
    return tensors


def _from_hf(tensors: StateDict) -> StateDict:
    tensors = stack_qkv(tensors, ('attn.q', 'attn.k', 'attn.v'), 'attn.qkv')
    if 'proj' in tensors:
        tensors['proj'] = tensors['proj'].T  # a Linear's weight is (out, in)
    return _with_axes(tensors)


def _openai_facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    width = state_dict['visual.ln_post.weight'].shape[0]
    return dict(eps=EPS, act='QuickGELU', num_heads=width // 64)


def _open_clip_facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    """From ``open_clip_config.json``, if it lies beside the file."""
    told = dict(normalization=pixels(config.get('preprocess_cfg', {})))
    config = config.get('model_cfg', {})
    if 'vision_cfg' not in config:
        return dict(told, eps=EPS)
    quick = config.get('quick_gelu', False)
    vision = config['vision_cfg']
    pool = vision.get('pool_type', 'tok')
    tanh = (vision.get('act_kwargs') or {}).get('approximate') == 'tanh'
    return dict(
        told,
        eps=(vision.get('norm_kwargs') or {}).get('eps', EPS),
        act='QuickGELU' if quick else 'GELUTanh' if tanh else 'GELU',
        pooling=dict(tok='token').get(pool, pool),
        num_heads=vision['width'] // vision.get('head_width', 64))


def _hf_facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    """From ``config.json`` and the preprocessor's, if beside the file."""
    image = {n: config.get(f'image_{n}') for n in ('mean', 'std')}
    told = dict(normalization=pixels(image))
    config = config.get('vision_config', config)
    if 'hidden_size' not in config:
        return told
    acts = dict(quick_gelu='QuickGELU', gelu='GELU')
    act = config.get('hidden_act', 'quick_gelu')
    return dict(
        told,
        eps=config.get('layer_norm_eps', EPS),
        act=acts.get(act, act),
        num_heads=config.get('num_attention_heads', 12))


FORMATS = (
    Format(
        name='openai-clip',
        recognise=lambda s: 'visual.transformer.resblocks.0.ln_1.weight' in s
        and 'input_resolution' in s,
        rules=tuple((r'visual\.' + p, n)
                    for p, n in VISUAL) + ((r'visual\.proj', 'proj'), ) + TEXT,
        finish=_with_axes,
        facts=_openai_facts),
    # OpenAI's plain state dicts and open_clip's have the same names.
    Format(
        name='clip',
        recognise=lambda s: 'visual.transformer.resblocks.0.ln_1.weight' in s,
        rules=tuple((r'visual\.' + p, n)
                    for p, n in VISUAL) + ((r'visual\.proj', 'proj'), ) + TEXT,
        finish=_with_axes,
        facts=_open_clip_facts,
        asks_activation=lambda s: True),
    Format(
        name='openmmlab-clip',
        # A whole UniFormerV2 has its own names for the rest.
        recognise=lambda s: 'transformer.resblocks.0.ln_1.weight' in s and
        'class_embedding' in s and 'transformer.temporal_cls_token' not in s,
        rules=VISUAL,
        finish=_with_axes,
        facts=lambda s, _: dict(
            eps=EPS,
            act='QuickGELU',
            num_heads=s['class_embedding'].shape[0] // 64),
        hint='The visual encoders made for UniFormerV2 have neither the final '
        'norm nor the projection: the model needs final_norm=False and '
        'out_dims=None, or another file.'),
    Format(
        name='hf-clip',
        recognise=lambda s: any(
            k in s for k in
            ('vision_model.pre_layrnorm.weight', 'pre_layrnorm.weight')),
        rules=HF,
        finish=_from_hf,
        facts=_hf_facts,
        asks_activation=lambda s: True),
    Format(
        name='mmpretrain-clip',
        recognise=lambda s: 'visual.layers.0.ln1.weight' in s,
        rules=((r'visual_proj\.proj', 'proj'),
               (r'visual\.(.*)', r'\1')) + TEXT,
        facts=lambda s, _: dict(act='QuickGELU')),  # all are OpenAI's
)
