"""DualFormer, as its authors publish it, for videos and for images.

Official code: https://github.com/sail-sg/dualformer
Targets: ``DualFormer`` with the release's ``fine_kernels``; a recognizer of
it with ``ClipMeanHead`` or MMAction2's ``I3DHead``, and for the models trained
with token labels, ``TokenLabelRecognizer3D``.
"""
from .base import IMAGENET, Format, prefixed

_BLOCK = r'blocks\.(\d+)\.(\d+)\.'
BACKBONE = (
    (r'patch_embeds\.(\d+)\.(.*)', r'stages.\1.patch_embed.\2'),
    (r'pos_block\.(\d+)\.proj\.0\.(.*)', r'stages.\1.position.conv.\2'),
    (_BLOCK + r'attn\.sr\.(.*)', r'stages.\1.blocks.\2.attn.levels.0.\3'),
    (_BLOCK + r'attn\.lr\.(.*)', r'stages.\1.blocks.\2.attn.levels.1.\3'),
    (_BLOCK + r'mlp\.fc1\.(.*)', r'stages.\1.blocks.\2.mlp.0.\3'),
    (_BLOCK + r'mlp\.fc2\.(.*)', r'stages.\1.blocks.\2.mlp.2.\3'),
    (_BLOCK + r'(.*)', r'stages.\1.blocks.\2.\3'),
    (r'(norm\..*)', r'\1'),
)

FORMATS = (Format(
    name='dualformer',
    recognise=lambda s: 'patch_embeds.0.proj.weight' in s,
    rules=BACKBONE + ((r'head\..*', None), ),
    facts=lambda s, _: dict(eps=1e-5, normalization=IMAGENET),
    hint='The release makes the fine priors by convolutions: the model needs '
    'fine_kernels=((2, 8, 8), (2, 4, 4), (2, 2, 2), (1, 1, 1)).'), )

TRAINED = (
    Format(
        name='dualformer',
        recognise=lambda s: 'backbone.patch_embeds.0.proj.weight' in s,
        rules=prefixed(BACKBONE, 'backbone.') + (
            (r'(cls_head\.fc_cls\..*)', r'\1'),
            (r'cls_head\.token_linear\.(.*)', r'token_head.layers.\1'),
            # Used in training alone.
            (r'teacher\..*', None))), )
