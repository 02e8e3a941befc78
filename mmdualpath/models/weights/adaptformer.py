"""AdaptFormer on MAE's and VideoMAE's ViT, as its authors save it.

Official code: https://github.com/ShoufaChen/AdaptFormer
Targets: ``ParallelAdapter`` at ``norm_mlp`` of mmpretrain's
``VisionTransformer`` in an ``ImageClassifier`` with ``ClsBatchNormNeck`` and
``LinearClsHead``, or of MMAction2's ``VisionTransformer`` in a
``Recognizer3D`` with ``ClipMeanHead(batch_norm=True)``.
"""
from .base import Format, StateDict, prefixed, stack_qkv
from .video import reads_clips

_BLOCK = r'blocks\.(\d+)\.'
IMAGE = prefixed(
    (
        (r'(cls_token|pos_embed)', r'\1'),
        (r'patch_embed\.proj\.(.*)', r'patch_embed.projection.\1'),
        (r'norm\.(.*)', r'ln1.\1'),
        (r'fc_norm\.(.*)', r'ln2.\1'),  # after the mean of the patches
        (_BLOCK + r'norm1\.(.*)', r'layers.\1.ln1.\2'),
        (_BLOCK + r'norm2\.(.*)', r'layers.\1.ffn.layers.base.norm.\2'),
        (_BLOCK + r'attn\.(.*)', r'layers.\1.attn.\2'),
        (_BLOCK + r'fc1\.(.*)', r'layers.\1.ffn.layers.base.branch.0.0.\2'),
        (_BLOCK + r'fc2\.(.*)', r'layers.\1.ffn.layers.base.branch.1.\2'),
        (_BLOCK + r'adaptmlp\.(down|up)_proj\.(.*)',
         r'layers.\1.ffn.layers.adapter.\2.\3'),
    ),
    '',
    'backbone.base.') + (
        (r'head\.0\.(.*)', r'neck.bn.\1'),
        (r'head\.1\.(.*)', r'head.fc.\1'),
    )
VIDEO = prefixed((
    (r'(pos_embed|fc_norm\..*)', r'\1'),
    (r'patch_embed\.proj\.(.*)', r'patch_embed.projection.\1'),
    (_BLOCK + r'(norm1|attn)\.(.*)', r'blocks.\1.\2.\3'),
    (_BLOCK + r'norm2\.(.*)', r'blocks.\1.mlp.base.norm.\2'),
    (_BLOCK + r'fc1\.(.*)', r'blocks.\1.mlp.base.branch.layers.0.0.\2'),
    (_BLOCK + r'fc2\.(.*)', r'blocks.\1.mlp.base.branch.layers.1.\2'),
    (_BLOCK + r'adaptmlp\.(down|up)_proj\.(.*)',
     r'blocks.\1.mlp.adapter.\2.\3'),
), '', 'backbone.base.') + (
    (r'head\.0\.(.*)', r'cls_head.bn.\1'),
    (r'head\.1\.(.*)', r'cls_head.fc_cls.\1'),
)


def _stack(tensors: StateDict) -> StateDict:
    return stack_qkv(tensors, [f'attn.{part}_proj' for part in 'qkv'],
                     'attn.qkv')


def _has_adapters(state_dict: StateDict) -> bool:
    return 'blocks.0.adaptmlp.down_proj.weight' in state_dict


TRAINED = (
    Format(
        name='adaptformer-video',
        recognise=lambda s: _has_adapters(s) and reads_clips(s),
        rules=VIDEO,
        finish=_stack),
    Format(
        name='adaptformer-image',
        recognise=_has_adapters,
        rules=IMAGE,
        finish=_stack),
)
