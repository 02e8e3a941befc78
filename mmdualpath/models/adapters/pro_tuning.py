"""Pro-tuning: prompts predicted by convolutions after each block.

Paper: Pro-tuning: Unified Prompt Tuning for Vision Tasks, TCSVT 2023.
https://arxiv.org/abs/2207.14381
No official code. As restated by the DualPath paper (Eq. 5).
Departures: the last convolution starts at zero, so that a new block is the
frozen one; the class token, which has no place on the grid, passes by.
"""
from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer
from torch import Tensor, nn

from ...options import checked
from ..sites import Site
from .base import FRAMES, RASTER, TOKENS, Adapter


@MODELS.register_module()
@checked
class ProTuning(Adapter):
    """Adds a prompt predicted from the block's own output (Eq. 5).

    h~ = h + v with v = act(conv1x1(dwconv5x5(conv1x1(h)))) on the grid of
    patches. Attached with ``site='block'``.

    Args:
        base: The block.
        site: Where it stands.
        width: Channels between the convolutions.
        act_cfg: Activation of the prompt. The last convolution starts at
            zero, so the activation needs a slope there: not ReLU.
        kernel_size: Size of the depth-wise convolution.

    Raises:
        ValueError: If the width is not positive or the kernel is even.
    """
    sites = ('block', )
    needs = (FRAMES, TOKENS, RASTER)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 width: int = 128,
                 act_cfg: dict = dict(type='GELU'),
                 kernel_size: int = 5) -> None:
        super().__init__(base, site)
        if width < 1 or kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'width={width}, kernel_size={kernel_size}: '
                             'give a positive width and an odd kernel.')
        self.conv = nn.Sequential(
            nn.Conv2d(site.dims, width, 1),
            nn.Conv2d(
                width,
                width,
                kernel_size,
                padding=kernel_size // 2,
                groups=width), nn.Conv2d(width, site.dims, 1))
        self.act = build_activation_layer(act_cfg)
        nn.init.zeros_(self.conv[-1].weight)
        nn.init.zeros_(self.conv[-1].bias)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        h = self.base(x, *args, **kwargs)
        # Blocks of windows are told the size of their map.
        size = args[0] if self.site.windows else self.site.grid(h.shape[1])
        patches = h[:, self.site.extra_tokens:]
        v = self.act(self.conv(patches.mT.unflatten(-1, size)))
        v = nn.functional.pad(
            v.flatten(2).mT, (0, 0, self.site.extra_tokens, 0))
        return h + v
