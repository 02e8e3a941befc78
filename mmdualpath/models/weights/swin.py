"""Swin Transformer, as its authors and timm publish it.

Target: mmpretrain's ``SwinTransformer``.
"""
import re
from typing import Any, Dict, Mapping

from torch import Tensor

from .base import IMAGENET, Format, StateDict
from .timm import pixels

EPS = 1e-5

BLOCKS = (
    (r'patch_embed\.proj\.(.*)', r'patch_embed.projection.\1'),
    (r'layers\.(\d+)\.blocks\.(\d+)\.norm(\d)\.(.*)',
     r'stages.\1.blocks.\2.norm\3.\4'),
    # Computed from the size of the window.
    (r'.*\.(relative_position_index|attn_mask)', None),
    (r'layers\.(\d+)\.blocks\.(\d+)\.attn\.(.*)',
     r'stages.\1.blocks.\2.attn.w_msa.\3'),
    (r'layers\.(\d+)\.blocks\.(\d+)\.mlp\.fc1\.(.*)',
     r'stages.\1.blocks.\2.ffn.layers.0.0.\3'),
    (r'layers\.(\d+)\.blocks\.(\d+)\.mlp\.fc2\.(.*)',
     r'stages.\1.blocks.\2.ffn.layers.1.\3'),
    (r'layers\.(\d+)\.downsample\.(.*)', r'stages.\1.downsample.\2'),
    (r'head\..*', None),
)


def _merge_patches_by_unfold(tensor: Tensor) -> Tensor:
    """Reorder the input of a patch merging layer.

    The four pixels are published as [column, row, channel]; mmcv's
    ``nn.Unfold`` gives them as [channel, row, column].
    """
    *out, merged = tensor.shape
    return tensor.reshape(*out, 2, 2,
                          merged // 4).transpose(-3, -1).reshape(*out, merged)


def _from_official(tensors: StateDict) -> StateDict:
    last = max(int(n.split('.')[1]) for n in tensors if n.startswith('stages'))
    finished = {}
    for name, tensor in tensors.items():
        if '.downsample.' in name:
            tensor = _merge_patches_by_unfold(tensor)
        finished[re.sub(r'^norm\.', f'norm{last}.', name)] = tensor
    return finished


def _from_timm(tensors: StateDict) -> StateDict:
    """timm merges patches in front of a stage, the authors behind one."""

    def earlier(match: re.Match) -> str:
        return f'stages.{int(match[1]) - 1}.downsample.'

    return _from_official({
        re.sub(r'^stages\.(\d+)\.downsample\.', earlier, name):
        tensor
        for name, tensor in tensors.items()
    })


def _is_swin(state_dict: StateDict) -> bool:
    patches = state_dict.get('patch_embed.proj.weight')
    return ('layers.0.blocks.0.attn.relative_position_bias_table' in state_dict
            and patches is not None and patches.dim() == 4)


def _facts(state_dict: StateDict, config: Mapping) -> Dict[str, Any]:
    told = pixels(config.get('pretrained_cfg', {}))
    return dict(eps=EPS, normalization=told or IMAGENET)


FORMATS = (
    Format(
        name='swin',
        recognise=lambda s: _is_swin(s) and
        'layers.0.downsample.reduction.weight' in s,
        rules=BLOCKS,
        finish=_from_official,
        facts=_facts),
    Format(
        name='timm-swin',
        recognise=_is_swin,
        rules=BLOCKS,
        finish=_from_timm,
        facts=_facts),
)
