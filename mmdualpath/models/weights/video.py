"""VideoMAE and Video Swin, as their authors and MMAction2 publish them.

Targets: MMAction2's ``VisionTransformer`` and ``SwinTransformer3D``.
"""
from .base import IMAGENET, Format, StateDict

VIDEOMAE = tuple((r'(?:encoder\.)?' + pattern, name) for pattern, name in (
    (r'patch_embed\.proj\.(.*)', r'patch_embed.projection.\1'),
    (r'blocks\.(\d+)\.mlp\.fc1\.(.*)', r'blocks.\1.mlp.layers.0.0.\2'),
    (r'blocks\.(\d+)\.mlp\.fc2\.(.*)', r'blocks.\1.mlp.layers.1.\2'),
    (r'(blocks\..*|norm\..*|fc_norm\..*|pos_embed)', r'\1'),
)) + (
    # The decoder of pretraining, and the classifier.
    (r'(decoder|encoder_to_decoder|head)\..*|mask_token', None), )

VIDEO_SWIN = (
    (r'.*\.(relative_position_index|attn_mask)', None),
    (r'(cls_head|head)\..*', None),
)


def reads_clips(state_dict: StateDict, prefix: str = '') -> bool:
    """Whether patches are of videos."""
    patches = state_dict.get(prefix + 'patch_embed.proj.weight')
    return patches is not None and patches.dim() == 5


def _name_last_norm(tensors: StateDict) -> StateDict:
    last = max(int(n.split('.')[1]) for n in tensors if n.startswith('layers'))
    return {
        n.replace('norm.', f'norm{last}.', 1) if n.startswith('norm.') else n:
        tensor
        for n, tensor in tensors.items()
    }


FORMATS = (
    Format(
        name='videomae-pretrain',
        recognise=lambda s: reads_clips(s, 'encoder.'),
        rules=VIDEOMAE,
        facts=lambda s, _: dict(eps=1e-6, normalization=IMAGENET),
        # The norm after the mean belongs to fine-tuning, where it starts anew.
        fresh=(r'fc_norm\..*', )),
    Format(
        name='videomae',
        recognise=lambda s: reads_clips(s) and 'blocks.0.norm1.weight' in s,
        rules=VIDEOMAE,
        facts=lambda s, _: dict(eps=1e-6, normalization=IMAGENET)),
    Format(
        name='video-swin',
        recognise=lambda s: reads_clips(s) and
        'layers.0.blocks.0.attn.relative_position_bias_table' in s,
        rules=VIDEO_SWIN,
        finish=_name_last_norm,
        facts=lambda s, _: dict(eps=1e-5, normalization=IMAGENET)),
)
