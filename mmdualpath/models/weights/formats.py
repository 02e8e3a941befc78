"""Published checkpoint formats, recognised by their keys.

A format is a name, a test on a state dict and a conversion to the names of
the backbones in this package. New formats are appended to :data:`FORMATS`.
"""
import re
from dataclasses import dataclass
from typing import Callable, Dict, List, Sequence, Tuple

from torch import Tensor

StateDict = Dict[str, Tensor]


@dataclass(frozen=True)
class Format:
    """A published layout of weights.

    Attributes:
        name: Short name, for messages and fingerprints.
        recognise: Whether a state dict is of this format.
        convert: The visual encoder's tensors under this package's names.
    """
    name: str
    recognise: Callable[[StateDict], bool]
    convert: Callable[[StateDict], StateDict]


def rename(state_dict: StateDict, rules: Sequence[Tuple[str,
                                                        str]]) -> StateDict:
    """Rename keys by the first rule that matches the whole key.

    Args:
        state_dict: Tensors by name.
        rules: Pairs of a regular expression and its replacement; None as
            replacement drops the tensor. A key without rule keeps its name,
            so that nothing is lost unseen.
    """
    renamed = {}
    for key, tensor in state_dict.items():
        for pattern, new in rules:
            if re.fullmatch(pattern, key):
                if new is not None:
                    renamed[re.sub(pattern, new, key)] = tensor
                break
        else:
            renamed[key] = tensor
    return renamed


def _openai_clip(state_dict: StateDict) -> StateDict:
    visual = {
        k[len('visual.'):]: v.float()
        for k, v in state_dict.items() if k.startswith('visual.')
    }
    visual = rename(visual, [
        (r'class_embedding', 'cls_token'),
        (r'positional_embedding', 'pos_embed'),
        (r'conv1\.(.*)', r'patch_embed.projection.\1'),
        (r'ln_pre\.(.*)', r'pre_norm.\1'),
        (r'ln_post\.(.*)', r'ln1.\1'),
        (r'transformer\.resblocks\.(\d+)\.ln_(\d)\.(.*)',
         r'layers.\1.ln\2.\3'),
        (r'transformer\.resblocks\.(\d+)\.attn\.in_proj_(.*)',
         r'layers.\1.attn.qkv.\2'),
        (r'transformer\.resblocks\.(\d+)\.attn\.out_proj\.(.*)',
         r'layers.\1.attn.proj.\2'),
        (r'transformer\.resblocks\.(\d+)\.mlp\.c_fc\.(.*)',
         r'layers.\1.ffn.layers.0.0.\2'),
        (r'transformer\.resblocks\.(\d+)\.mlp\.c_proj\.(.*)',
         r'layers.\1.ffn.layers.1.\2'),
    ])
    visual['cls_token'] = visual['cls_token'].reshape(1, 1, -1)
    visual['pos_embed'] = visual['pos_embed'].unsqueeze(0)
    return visual


FORMATS: List[Format] = [
    Format('openai-clip',
           lambda s: 'visual.transformer.resblocks.0.ln_1.bias' in s,
           _openai_clip),
]
