"""AIM and ZeroI2V on CLIP's ViT, as their authors save them.

Official code: https://github.com/taoyang1122/adapt-image-models,
https://github.com/leexinhao/ZeroI2V
Targets: ``Recognizer2D`` of ``CLIPVisionTransformer`` with ``out_dims=None``
and the adapters of ``configs/aim`` and ``configs/zeroi2v``, in their order,
and ``FrameMeanHead``. The files hold the frozen tensors too.
"""
import re
from typing import Mapping, Tuple

from .base import Format, Rule, StateDict, prefixed
from .clip import VISUAL

_BLOCK = r'backbone\.transformer\.resblocks\.(\d+)\.'
_OURS = r'backbone.base.layers.\1.'
LAYERS = dict(D_fc1='down', D_fc2='up')


def _rules(adapters: Mapping[str, str]) -> Tuple[Rule, ...]:
    """Rules of a whole model, given where each adapter stands in a block."""
    return tuple(
        (rf'{_BLOCK}{theirs}\.{layer}\.(.*)', rf'{_OURS}{ours}.{name}.\2')
        for theirs, ours in adapters.items()
        for layer, name in LAYERS.items()) + (
            (r'backbone\.temporal_embedding',
             'backbone.base.drop_after_pos.positions'), ) + prefixed(
                 VISUAL, 'backbone.', 'backbone.base.') + (
                     (r'cls_head\.fc_cls\.(.*)', r'cls_head.fc.\1'), )


def _finish(tensors: StateDict, inside: Mapping[str, str]) -> StateDict:
    """Give tensors their axes, and name what adapters wrap.

    Args:
        tensors: Under the names of a model without adapters.
        inside: Where modules of a block are in one with adapters.
    """
    finished = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(r'(backbone\.base\.layers\.\d+\.)(.*)', name)
        for bare, ours in inside.items():
            if match and match[2].startswith(bare) \
                    and 'adapter' not in match[2]:
                name = match[1] + ours + match[2][len(bare):]
        finished[name] = tensor
    base = 'backbone.base.'
    cls_token = finished[f'{base}cls_token'].reshape(1, 1, -1)
    finished[f'{base}cls_token'] = cls_token
    positions = finished[f'{base}pos_embed']
    finished[f'{base}pos_embed'] = positions.reshape(1, -1, cls_token.numel())
    time = f'{base}drop_after_pos.positions'
    finished[time] = finished[time].reshape(-1, 1, cls_token.numel())
    return finished


def _aim(tensors: StateDict) -> StateDict:
    return _finish(
        tensors, {
            'ln': 'base.ln',
            'attn.': 'base.attn.base.',
            'ffn.layers.': 'base.ffn.layers.base.'
        })


def _zeroi2v(tensors: StateDict) -> StateDict:
    return _finish(
        tensors, {
            'attn.qkv.': 'attn.qkv.base.base.',
            'attn.proj.': 'attn.proj.base.',
            'ffn.layers.0.0.': 'ffn.layers.0.0.base.',
            'ffn.layers.1.': 'ffn.layers.1.base.'
        })


TRAINED = (
    Format(
        name='aim',
        recognise=lambda s: any('.T_Adapter.' in n for n in s),
        rules=_rules(
            dict(
                T_Adapter='adapter',
                T_Adapter_in='adapter_in',
                S_Adapter='base.attn.adapter',
                MLP_Adapter='base.ffn.layers.adapter')),
        finish=_aim),
    Format(
        name='zeroi2v',
        recognise=lambda s: any('.T_Adapter_in.' in n for n in s),
        rules=_rules(
            dict(
                T_Adapter_in='attn.qkv.base.adapter',
                S_Adapter='attn.proj.adapter',
                MLP_Adapter='ffn.layers.0.0.adapter',
                MLP_Adapter_out='ffn.layers.1.adapter')),
        finish=_zeroi2v),
)
