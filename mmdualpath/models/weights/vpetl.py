"""V-PETL on Video Swin, as its authors save it.

Official code: https://github.com/bruceyo/V-PETL
Target: ``Recognizer3D`` of MMAction2's ``SwinTransformer3D`` with ``PATT`` at
``msa``, ``ParallelAdapter`` at ``mlp`` and ``ClipMeanHead(pool_frames=2)``.

The two layers of PATT are known by their shapes, C to d_bottle and d_bottle to
a multiple of C, whatever they are called: they are the layers of an attention
module beside its own.
"""
import itertools
import re
from typing import Dict, List, Sequence

from .base import Format, StateDict, prefixed
from .video import reads_clips

_BLOCK = r'layers\.(\d+)\.blocks\.(\d+)\.'
_OWN = r'qkv|proj|relative_position_(?:bias_table|index)'
# What an adapter of a block's attention or MLP holds.
_PART = r'^(.*\.blocks\.\d+\.(?:attn|mlp)\.)((?!adapter\.).*)$'
RULES = prefixed((
    (r'.*\.attn_mask', None),
    (_BLOCK + r'(?!attn\.)(?:.*\.)?(down|up)_proj\.(.*)',
     r'layers.\1.blocks.\2.mlp.adapter.\3.\4'),
    (r'((?:patch_embed|layers|norm)\..*)', r'\1'),
), '', 'backbone.base.') + (
    (r'(?:head|head\.1|cls_head\.fc_cls)\.(weight|bias)',
     r'cls_head.fc_cls.\1'),
    (r'head\.0\.(.*)', r'cls_head.bn.\1'),
)


def _finish(tensors: StateDict) -> StateDict:
    """Name the layers of PATT, what they and adapters wrap, the last norm."""
    stages = {re.match(r'backbone\.base\.layers\.(\d+)', n) for n in tensors}
    last = max(int(stage[1]) for stage in stages if stage)
    names = {}
    wrapped = {n.partition('adapter.')[0] for n in tensors if '.adapter.' in n}
    for attn, layers in _layers_beside(tensors).items():
        down, up = _patt(tensors, attn, layers)
        names.update({down: f'{attn}.down', up: f'{attn}.up'})
        wrapped.add(f'{attn}.')

    def inside(match: re.Match) -> str:
        return match[1] + ('base.' if match[1] in wrapped else '') + match[2]

    finished = {}
    for name, tensor in tensors.items():
        layer, _, leaf = name.rpartition('.')
        if layer in names:
            name = f'{names[layer]}.{leaf}'
        else:
            name = re.sub(_PART, inside, name)
        finished[name.replace('backbone.base.norm.',
                              f'backbone.base.norm{last}.')] = tensor
    return finished


def _layers_beside(tensors: StateDict) -> Dict[str, List[str]]:
    """What an attention module has beside its own layers, by its name."""
    found: Dict[str, List[str]] = {}
    for name in tensors:
        match = re.fullmatch(rf'(.*\.blocks\.\d+\.attn)\.(?!{_OWN}).*', name)
        if match:
            layers = found.setdefault(match[1], [])
            layer = name.rpartition('.')[0]
            layers += [layer] if layer not in layers else []
    return found


def _patt(tensors: StateDict, attn: str,
          layers: Sequence[str]) -> Sequence[str]:
    """The layer to the bottleneck and the one from it.

    Raises:
        ValueError: If the layers are not these two.
    """
    dims = tensors[f'{attn}.qkv.weight'].shape[1]
    if len(layers) == 2:
        for pair in itertools.permutations(layers):
            down, up = (tensors.get(f'{layer}.weight') for layer in pair)
            if down is not None and up is not None and down.dim() == 2 \
                    and down.shape[1] == dims and up.shape[0] % dims == 0 \
                    and up.shape[1:] == down.shape[:1]:
                return pair
    raise ValueError(
        f'v-petl: {", ".join(layers)} are not the two layers of PATT, from '
        f'{dims} channels to a bottleneck and from it to a multiple of '
        f'{dims}.')


TRAINED = (Format(
    name='v-petl',
    recognise=lambda s: reads_clips(s) and any(
        re.fullmatch(
            _BLOCK + rf'(?:.*\b(?:down|up)_proj|attn\.(?!{_OWN}|attn_mask)).*',
            n) for n in s),
    rules=RULES,
    finish=_finish), )
