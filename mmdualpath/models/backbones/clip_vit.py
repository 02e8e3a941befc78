"""CLIP's visual encoder.

Paper: Learning Transferable Visual Models From Natural Language Supervision,
ICML 2021. https://arxiv.org/abs/2103.00020
Official code: https://github.com/openai/CLIP
The transformer is mmpretrain's; this file adds what CLIP sets and the visual
projection.
"""
from typing import Any, Optional, Tuple, Union

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmpretrain.models import VisionTransformer
from torch import Tensor, nn

from ...options import checked


@MODELS.register_module()
@checked
class QuickGELU(nn.Module):
    """CLIP's ``x * sigmoid(1.702 x)``, equal to ``silu(1.702 x) / 1.702``.

    So written the backward pass needs one tensor instead of two, and the MLP's
    hidden tokens are what most of its memory is spent on.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C) -> same``."""
        return F.silu(1.702 * x).mul_(1 / 1.702)


@MODELS.register_module()
@checked
class CLIPVisionTransformer(VisionTransformer):
    """mmpretrain's ViT with CLIP's pre-norm, QuickGELU, eps and projection.

    Args:
        arch: Architecture of mmpretrain's ViT, a name or a dict.
        patch_size: Pixels of a patch.
        out_dims: Channels of the visual projection of the class token (512
            for B/16, 768 for L/14), or None to leave it out.
        quick_gelu: Whether the activation is CLIP's ``x * sigmoid(1.702 x)``
            or the exact GELU that some open_clip models were trained with.
            None is CLIP's, and a file of weights has to tell that it is so.
        out_type: Output of mmpretrain's ViT; the projection applies to
            ``cls_token`` only.
        kwargs: Further arguments of mmpretrain's ViT, such as ``img_size``.

    Attributes:
        normalization: ``mean`` and ``std`` of pretraining, of pixels from 0
            to 255.
        knows_activation: Whether the activation was said.

    Raises:
        ValueError: If a projection is asked for another output than the
            class token.
    """

    # What all published CLIP models of this form read, OpenAI's and others'.
    normalization = dict(
        mean=[122.771, 116.746, 104.094], std=[68.500, 66.632, 70.323])

    def __init__(self,
                 arch: Union[str, dict] = 'base',
                 patch_size: int = 16,
                 out_dims: Optional[int] = 512,
                 quick_gelu: Optional[bool] = None,
                 out_type: str = 'cls_token',
                 layer_cfgs: dict = dict(),
                 **kwargs: Any) -> None:
        if out_dims is not None and out_type != 'cls_token':
            raise ValueError(
                f'out_dims={out_dims} projects the class token, but '
                f'out_type={out_type!r}. Give out_dims=None with it.')
        act = 'GELU' if quick_gelu is False else 'mmaction.QuickGELU'
        super().__init__(
            arch=arch,
            patch_size=patch_size,
            out_type=out_type,
            pre_norm=True,
            norm_cfg=dict(type='LN', eps=1e-5),
            layer_cfgs=dict(act_cfg=dict(type=act), **layer_cfgs),
            **kwargs)
        self.knows_activation = quick_gelu is not None
        self.proj = None
        if out_dims is not None:
            self.proj = nn.Parameter(torch.empty(self.embed_dims, out_dims))
            nn.init.normal_(self.proj, std=self.embed_dims**-0.5)

    @property
    def pooling(self) -> Optional[str]:
        """What makes one feature of the tokens, if that is put out."""
        return 'token' if self.out_type == 'cls_token' else None

    def _format_output(self, x: Tensor, hw: Tuple[int, int]) -> Tensor:
        out = super()._format_output(x, hw)
        return out if self.proj is None else out @ self.proj
