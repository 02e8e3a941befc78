"""ST-Adapter: a bottleneck with a depth-wise convolution over time.

Paper: ST-Adapter: Parameter-Efficient Image-to-Video Transfer Learning,
NeurIPS 2022. https://arxiv.org/abs/2206.13559
Official code: https://github.com/linziyi96/st-adapter
The release and Eq. 6 of the DualPath paper differ in place, activation and
initialisation: :class:`STAdapter` and :class:`ParallelSTAdapter`. The release
also averages a clip's class tokens in front of the last norm, where a mean
over frames in the head comes behind it: :class:`FrameMean`. Its dropout of 0.5
is an option of the head.
"""
from typing import Any, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer
from torch import Tensor, nn

from ...options import checked
from ..layers import Conv3d
from ..shapes import as_clips
from ..sites import Site
from .base import FRAMES, SAME_SHAPE, TOKENS, Adapter


@checked
class SpaceTimeBottleneck(nn.Module):
    """``up(act(dwconv3d(down x)))`` over the patches of all frames.

    Args:
        site: Where it stands.
        num_frames: T, frames of a clip.
        width: Channels of the bottleneck, or None for half the tokens'.
        kernel_size: Depth-wise kernel in time, height and width.
        act_cfg: Activation, or None.

    Raises:
        ValueError: If the width is not positive or a kernel is even.
    """

    def __init__(self,
                 site: Site,
                 num_frames: int,
                 width: Optional[int] = 384,
                 kernel_size: Sequence[int] = (3, 1, 1),
                 act_cfg: Optional[dict] = None) -> None:
        super().__init__()
        width = site.dims // 2 if width is None else width
        self.kernel_size: Tuple[int, ...] = tuple(kernel_size)
        if width < 1 or len(self.kernel_size) != 3 \
                or any(k % 2 == 0 for k in self.kernel_size):
            raise ValueError(f'width={width}, kernel_size={kernel_size}: give '
                             'a positive width and three odd numbers.')
        self.num_frames = num_frames
        self.down = nn.Linear(site.dims, width)
        self.conv = Conv3d(
            width,
            width,
            self.kernel_size,
            padding=tuple(k // 2 for k in self.kernel_size),
            groups=width)
        self.act = build_activation_layer(
            act_cfg) if act_cfg else nn.Identity()
        self.up = nn.Linear(width, site.dims)

    def forward(self, x: Tensor, site: Site) -> Tensor:
        """``(B*T, N, C) -> same``, zero for tokens that are no patches."""
        extra = site.extra_tokens
        y = as_clips(self.down(x[:, extra:]), self.num_frames)
        y = self._convolve(y.permute(0, 3, 1, 2), site)  # B, width, T, N
        y = self.up(self.act(y).permute(0, 2, 3, 1).flatten(0, 1))
        return F.pad(y, (0, 0, extra, 0))

    def _convolve(self, y: Tensor, site: Site) -> Tensor:
        if self.kernel_size[1:] == (1, 1):
            # Along time alone, a map is a row of patches: the same sums by
            # the two-dimensional kernels, which are faster.
            return F.conv2d(
                y,
                self.conv.weight[..., 0],
                self.conv.bias,
                padding=(self.kernel_size[0] // 2, 0),
                groups=self.conv.groups)
        size = site.grid(y.shape[-1] + site.extra_tokens)
        return self.conv(y.unflatten(-1, size)).flatten(3)


@MODELS.register_module()
@checked
class STAdapter(Adapter):
    """The released form: on the residual stream, in front of a branch.

    z' = z + up(dwconv3d(down z)), without an activation, and the branch and
    its residual read z'. ``site='residual_mlp'`` stands before the MLP
    ("12x384"), ``site='block'`` before the attention; both make "24x384".
    ``site='norm_mlp'`` is the former where the block itself adds the MLP's
    output to z: there it hands on z' - z + MLP(LN z'). The convolution starts
    at zero, so a new adapter changes nothing.

    Args:
        base: What reads the adapted stream.
        site: Where it stands.
        num_frames: T, frames of a clip.
        bottleneck: Further arguments of :class:`SpaceTimeBottleneck`.
    """
    sites = ('block', 'residual_mlp', 'norm_mlp')
    needs = (FRAMES, TOKENS)

    def __init__(self, base: nn.Module, site: Site, num_frames: int,
                 **bottleneck: Any) -> None:
        super().__init__(base, site)
        self.images_per_clip = num_frames
        self.adapter = SpaceTimeBottleneck(site, num_frames, **bottleneck)
        nn.init.zeros_(self.adapter.conv.weight)
        for layer in (self.adapter.down, self.adapter.conv, self.adapter.up):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        delta = self.adapter(x, self.site)
        y = self.base(x + delta, *args, **kwargs)
        return y + delta if self.site.name == 'norm_mlp' else y


@MODELS.register_module()
@checked
class FrameMean(Adapter):
    """Every frame of a clip gets the mean of all, token by token.

    y_t = 1/T sum_u f(x)_u. In the last block, ``blocks=[-1]``, the network's
    norm then reads the mean of raw class tokens, as in the release of
    ST-Adapter, and a mean over frames in the head changes nothing more. Named
    in front of an ``STAdapter`` at the same site, it stands behind it.

    Args:
        base: The module whose output is averaged.
        site: Where it stands.
        num_frames: T, frames of a clip.
    """
    needs = (FRAMES, SAME_SHAPE)

    def __init__(self, base: nn.Module, site: Site, num_frames: int) -> None:
        super().__init__(base, site)
        self.images_per_clip = num_frames

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        y = as_clips(self.base(x, *args, **kwargs), self.images_per_clip)
        return y.mean(1, keepdim=True).expand_as(y).flatten(0, 1)


@MODELS.register_module()
@checked
class ParallelSTAdapter(Adapter):
    """ST-Adapter as the DualPath paper writes it, beside the MLP (Eq. 6).

    h_t = z_t + MLP(LN z_t) + s * z^_t with z^ = act(dwconv3d(LN z W_down))
    W_up. Attached with ``site='mlp'``. As in the bottleneck adapters
    ``up`` starts at zero.

    Args:
        base: The module that is adapted.
        site: Where it stands.
        num_frames: T, frames of a clip.
        scale: Factor s of the adapter's output.
        act_cfg: Activation.
        bottleneck: Further arguments of :class:`SpaceTimeBottleneck`.
    """
    needs = (FRAMES, TOKENS, SAME_SHAPE)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 scale: float = 1.,
                 act_cfg: dict = dict(type='GELU'),
                 **bottleneck: Any) -> None:
        super().__init__(base, site)
        self.images_per_clip = num_frames
        self.scale = scale
        self.adapter = SpaceTimeBottleneck(
            site, num_frames, act_cfg=act_cfg, **bottleneck)
        nn.init.kaiming_normal_(self.adapter.down.weight)
        nn.init.zeros_(self.adapter.down.bias)
        nn.init.zeros_(self.adapter.up.weight)
        nn.init.zeros_(self.adapter.up.bias)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        delta = self.adapter(x, self.site)
        y = self.base(x, *args, **kwargs)
        return torch.add(y, delta, alpha=self.scale)
