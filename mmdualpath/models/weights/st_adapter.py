"""ST-Adapter on CLIP's ViT, as its authors publish it.

Official code: https://github.com/linziyi96/st-adapter
Target: ``Recognizer2D`` of ``CLIPVisionTransformer`` with ``out_dims=None``,
``FrameMean`` in the last block and ``STAdapter`` at ``residual_mlp``, for
"24x384" at ``block`` as well, and ``FrameMeanHead``.

The files hold what is trained alone. The release reads OpenAI's archive for
the rest, and says so nowhere in the file.
"""
import re

from ..backbones.fingerprint import Fingerprint
from .base import Format, StateDict

_BLOCK = r'transformer\.resblocks\.(\d+)\.'
LAYERS = dict(fc1='down', conv='conv', fc2='up')
RULES = tuple(
    (rf'{_BLOCK}adapter_pre_{place}\.{theirs}\.(.*)',
     rf'backbone.base.layers.\1.{site}adapter.{ours}.\2')
    for place, site in (('attn', ''), ('mlp', 'ffn.'))
    for theirs, ours in LAYERS.items()) + ((r'fc\.(.*)', r'cls_head.fc.\1'), )


def _inside_blocks(tensors: StateDict) -> StateDict:
    """An adapter around a block holds the block, and the MLP's in it."""

    def inside(match: re.Match) -> str:
        around = f'{match[1]}adapter.down.weight' in tensors
        return f'{match[1]}base.{match[2]}' if around else match[0]

    renamed = {
        re.sub(r'^(backbone\.base\.layers\.\d+\.)(ffn\.)', inside, name):
        tensor
        for name, tensor in tensors.items()
    }
    unknown = Fingerprint('', 'openai-clip', "OpenAI's archive")
    return {**renamed, 'backbone.frozen_backbone': unknown.encode()}


TRAINED = (Format(
    name='st-adapter',
    recognise=lambda s: any('.adapter_pre_' in n for n in s),
    rules=RULES,
    finish=_inside_blocks), )
