"""DualFormer, a local-global stratified video transformer.

Paper: DualFormer: Local-Global Stratified Transformer for Efficient Video
Recognition, ECCV 2022. https://arxiv.org/abs/2112.04674
Official code: https://github.com/sail-sg/dualformer
One class serves videos and the images it is pretrained on. Departures: maps
that windows or patches do not divide are padded and the padding is masked; the
release cuts patches and priors off at the end and fails in windows that do not
fit. The fine prior is an average by default; ``fine_kernels`` makes it the
release's depth-wise convolution, and ones there leave out the LayerNorm, as
the release does where the prior is the map itself. All image filters are
inflated; the release sets the last convolution of the coarse prior to averages
instead. It also trains the position generators at the full rate, ten times the
backbone's, and decays the backbone's norms, since of several ``custom_keys``
that match MMCV takes the longest.
Multiply-adds and parameters are those of the paper but for one: the image
network T is printed with 4.2 G and has 2.85 G. No reading of the structure
closes that gap, since what adds to T adds as much to S and B, which agree.
"""
from contextlib import nullcontext
from itertools import chain
from typing import Optional, Sequence, Tuple, Union

import numpy as np
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...options import checked
from ..complete import require_complete
from ..layers import Conv3d
from ..recompute import kept_statistics
from ..weights import load_pretrained

Shape = Sequence[int]

ARCHS = dict(
    tiny=dict(embed_dims=64, num_heads=2, depths=(2, 2, 10, 4)),
    small=dict(embed_dims=96, num_heads=3, depths=(2, 2, 18, 2)),
    base=dict(embed_dims=128, num_heads=4, depths=(2, 2, 18, 2)))


def to_map(tokens: Tensor, shape: Shape) -> Tensor:
    """``(B, N, C) -> (B, C, *S)``."""
    return tokens.transpose(1, 2).unflatten(2, tuple(shape))


def to_tokens(maps: Tensor) -> Tensor:
    """``(B, C, *S) -> (B, N, C)``."""
    return maps.flatten(2).transpose(1, 2)


def pad_to_multiple(maps: Tensor, multiple: Shape) -> Tensor:
    """Pad the end of every axis of ``(B, C, *S)`` with zeros."""
    missing = [-s % m for s, m in zip(maps.shape[2:], multiple)]
    if not any(missing):
        return maps
    return F.pad(maps, [v for m in reversed(missing) for v in (0, m)])


def to_windows(maps: Tensor, window: Shape) -> Tensor:
    """``(B, C, *S) -> (B * windows, tokens of a window, C)``."""
    axes = len(window)
    grid = [s // w for s, w in zip(maps.shape[2:], window)]
    x = maps.reshape(*maps.shape[:2], *chain(*zip(grid, window)))
    x = x.permute(0, *range(2, 2 + 2 * axes, 2), *range(3, 3 + 2 * axes, 2), 1)
    return x.flatten(1 + axes, -2).flatten(0, axes)


def from_windows(windows: Tensor, window: Shape, shape: Shape) -> Tensor:
    """The inverse of :func:`to_windows` for maps of size ``shape``."""
    axes = len(window)
    grid = [s // w for s, w in zip(shape, window)]
    x = windows.reshape(-1, *grid, *window, windows.shape[-1])
    order = chain(*zip(range(1, 1 + axes), range(1 + axes, 1 + 2 * axes)))
    return x.permute(0, -1, *order).reshape(-1, windows.shape[-1], *shape)


class LocalAttention(nn.Module):
    """Attention among the tokens of a window (LW-MSA).

    ``softmax(q k^T / sqrt(d)) v`` in each window by itself; windows neither
    shift nor overlap and have no relative positions.

    Args:
        dims: Channels C.
        num_heads: Heads.
        window: Tokens of a window along each axis.
    """

    def __init__(self, dims: int, num_heads: int, window: Shape) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.window = tuple(window)
        self.qkv = nn.Linear(dims, 3 * dims)
        self.proj = nn.Linear(dims, dims)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """``(B, N, C) -> same``, N tokens being a map of size ``shape``."""
        maps = pad_to_multiple(to_map(x, shape), self.window)
        qkv = self.qkv(to_windows(maps, self.window))
        q, k, v = qkv.unflatten(-1, (3, self.num_heads, -1)).permute(
            2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(
            q, k, v, attn_mask=self.mask(x.shape[0], shape, x.device))
        y = from_windows(
            y.transpose(1, 2).flatten(2), self.window, maps.shape[2:])
        y = y[(..., *(slice(s) for s in shape))]
        return self.proj(to_tokens(y))

    def mask(self, batch: int, shape: Shape,
             device: torch.device) -> Optional[Tensor]:
        """Which keys of a window are no padding, None if all are.

        Returns:
            ``(B * windows, 1, 1, tokens of a window)``.
        """
        if not any(s % w for s, w in zip(shape, self.window)):
            return None
        inside = torch.ones(1, 1, *shape, device=device)
        inside = to_windows(pad_to_multiple(inside, self.window), self.window)
        return inside.bool()[:, None, None, :, 0].repeat(batch, 1, 1, 1)


class GlobalAttention(nn.Module):
    """Attention of every token to a pyramid of global priors (GP-MSA).

    ``softmax(q k^T / sqrt(d)) v`` with q from the tokens and k, v from
    ``LN([fine; coarse])``: the fine prior is the map averaged to a fixed
    size, the coarse one (in the first stages) is learned by depth-wise
    convolutions, first over space, then over time and space.

    Args:
        dims: Channels C.
        num_heads: Heads.
        fine_size: Size of the fine prior.
        coarse_kernels: Kernels, which are the strides as well, of the two
            convolutions of the coarse prior, or None for no coarse prior.
        fine_kernel: Kernel of a convolution that makes the fine prior in
            place of the average; ones take the map itself, without LN.
    """

    def __init__(self,
                 dims: int,
                 num_heads: int,
                 fine_size: Shape,
                 coarse_kernels: Optional[Sequence[Shape]] = None,
                 fine_kernel: Optional[Shape] = None) -> None:
        super().__init__()
        axes = len(fine_size)
        self.num_heads = num_heads
        self.q = nn.Linear(dims, dims)
        self.kv = nn.Linear(dims, 2 * dims)
        self.norm = nn.LayerNorm(dims)
        self.proj = nn.Linear(dims, dims)
        if fine_kernel is not None and set(fine_kernel) == {1}:
            self.levels = nn.ModuleList([nn.Identity()])
            self.norm = nn.Identity()
            self.smallest = tuple(fine_kernel)
        elif fine_kernel is None:
            pool = nn.AdaptiveAvgPool2d if axes == 2 else nn.AdaptiveAvgPool3d
            self.levels = nn.ModuleList([pool(tuple(fine_size))])
            self.smallest = tuple(fine_size)
        else:
            self.levels = nn.ModuleList([_depthwise(dims, fine_kernel)])
            self.smallest = tuple(fine_kernel)
        if coarse_kernels is not None:
            first, second = coarse_kernels
            self.levels.append(
                nn.Sequential(
                    _depthwise(dims, first),
                    build_norm_layer(dict(type=f'BN{axes}d'), dims)[1],
                    nn.ReLU(inplace=True), _depthwise(dims, second)))
            self.smallest = tuple(
                max(s, a * b) for s, a, b in zip(self.smallest, first, second))

    @property
    def num_levels(self) -> int:
        """Levels of the pyramid."""
        return len(self.levels)

    def priors(self, x: Tensor, shape: Shape) -> Tensor:
        """Tokens of all levels of the pyramid: ``(B, N, C) -> (B, P, C)``."""
        maps = to_map(x, shape)
        levels = [to_tokens(level(maps)) for level in self.levels]
        # Under autocast some kinds of pooling compute in float32.
        return torch.cat(levels, 1).to(x.dtype)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """``(B, N, C) -> same``, N tokens being a map of size ``shape``."""
        priors = self.norm(self.priors(x, shape))
        q = self.q(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        k, v = self.kv(priors).unflatten(-1, (2, self.num_heads, -1)).permute(
            2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))


def _depthwise(dims: int,
               kernel: Shape,
               stride: Optional[Shape] = None,
               padding: int = 0) -> nn.Module:
    kernel = tuple(kernel)
    convolution = nn.Conv2d if len(kernel) == 2 else Conv3d
    return convolution(
        dims,
        dims,
        kernel,
        stride=stride or kernel,
        padding=padding,
        groups=dims)


class Block(nn.Module):
    """``z = x + MSA(LN x); x' = z + MLP(LN z)``.

    Args:
        dims: Channels C.
        attn: Local or global attention.
        mlp_ratio: Width of the MLP over C.
        drop_path: Rate of stochastic depth.
        with_cp: Whether to recompute the block in the backward pass.
    """

    def __init__(self,
                 dims: int,
                 attn: nn.Module,
                 mlp_ratio: int = 4,
                 drop_path: float = 0.,
                 with_cp: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dims)
        self.attn = attn
        self.norm2 = nn.LayerNorm(dims)
        self.mlp = nn.Sequential(
            nn.Linear(dims, mlp_ratio * dims), nn.GELU(),
            nn.Linear(mlp_ratio * dims, dims))
        self.drop_path = DropPath(drop_path)
        self.with_cp = with_cp

    @property
    def is_local(self) -> bool:
        """Whether the block attends in windows."""
        return isinstance(self.attn, LocalAttention)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """``(B, N, C) -> same``, N tokens being a map of size ``shape``."""
        if not (self.with_cp and torch.is_grad_enabled()):
            return self._forward(x, shape)
        return checkpoint(
            self._forward,
            x,
            shape,
            use_reentrant=False,
            context_fn=lambda: (nullcontext(), kept_statistics(self)))

    def _forward(self, x: Tensor, shape: Shape) -> Tensor:
        x = x + self.drop_path(self.attn(self.norm1(x), shape))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    """Patches to tokens: a convolution without overlap, then LN.

    Args:
        in_channels: Channels of the map.
        dims: Channels C of the tokens.
        patch_size: Size of a patch along each axis.
    """

    def __init__(self, in_channels: int, dims: int, patch_size: Shape) -> None:
        super().__init__()
        self.patch_size = tuple(patch_size)
        convolution = nn.Conv2d if len(patch_size) == 2 else Conv3d
        self.proj = convolution(
            in_channels, dims, self.patch_size, stride=self.patch_size)
        self.norm = nn.LayerNorm(dims)

    def forward(self, maps: Tensor) -> Tuple[Tensor, Shape]:
        """``(B, C', *S')`` -> tokens ``(B, N, C)`` and their map's size."""
        maps = self.proj(pad_to_multiple(maps, self.patch_size))
        return self.norm(to_tokens(maps)), maps.shape[2:]


class PositionGenerator(nn.Module):
    """Positions from the tokens around (PEG): ``x + DWConv(x)``.

    Args:
        dims: Channels C.
        axes: 2 for images, 3 for videos.
    """

    def __init__(self, dims: int, axes: int) -> None:
        super().__init__()
        self.conv = _depthwise(
            dims, (3, ) * axes, stride=(1, ) * axes, padding=1)

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """``(B, N, C) -> same``, N tokens being a map of size ``shape``."""
        return x + to_tokens(self.conv(to_map(x, shape)))


class Stage(BaseModule):
    """Blocks that alternate local and global attention.

    Positions are added after the first block.

    Args:
        patch_embed: The patch embedding, called by the network.
        blocks: The blocks.
        position: The position generator.
    """

    def __init__(self, patch_embed: nn.Module, blocks: Sequence[nn.Module],
                 position: nn.Module) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.blocks = ModuleList(blocks)
        self.position = position
        sizes = [
            block.attn.smallest for block in blocks
            if isinstance(block.attn, GlobalAttention)
        ]
        # The smallest map that fills the pyramids of priors.
        self.smallest = tuple(max(axis) for axis in zip(*sizes))

    def forward(self, x: Tensor, shape: Shape) -> Tensor:
        """``(B, N, C) -> same``, N tokens being a map of size ``shape``."""
        first, *others = self.blocks
        x = self.position(first(x, shape), shape)
        for block in others:
            x = block(x, shape)
        return x


@MODELS.register_module()
@checked
class DualFormer(BaseModule):
    """DualFormer for videos, and for the images it is pretrained on.

    Each of the stages halves height and width and doubles the channels; its
    blocks alternate :class:`LocalAttention` and :class:`GlobalAttention`.

    Published image weights are inflated when they are loaded: a filter is
    repeated along time and divided by its length there.

    Args:
        arch: ``tiny``, ``small`` or ``base``, or a dict of ``embed_dims`` and
            ``num_heads`` of the first stage, which double from stage to
            stage, and the ``depths`` of all stages.
        axes: 3 for videos, 2 for images. Images use the last two numbers of
            every size below.
        patch_size: Size of a patch of the first stage; those of the others
            are (1, 2, 2).
        window: Tokens of a window of the local attention.
        fine_sizes: Size of each stage's fine prior.
        coarse_kernels: Kernels of the two convolutions of each stage's coarse
            prior, None for a stage without one.
        fine_kernels: Kernel of the convolution that makes each stage's fine
            prior, None for a stage that averages. The release has ((2, 8, 8),
            (2, 4, 4), (2, 2, 2), (1, 1, 1)).
        mlp_ratio: Width of the MLPs over the channels.
        drop_path_rate: Stochastic depth, growing linearly up to this rate.
        with_cp: Whether to recompute blocks in the backward pass to save
            memory.
        init_cfg: Initialisation. ``dict(type='Pretrained', checkpoint=...)``
            loads a video or an image DualFormer, completely or not at all.

    Raises:
        ValueError: If an argument is of another form.
    """

    def __init__(
        self,
        arch: Union[str, dict] = 'tiny',
        axes: int = 3,
        patch_size: Shape = (2, 4, 4),
        window: Shape = (8, 7, 7),
        fine_sizes: Sequence[Shape] = ((8, 7, 7), (8, 7, 7), (8, 7, 7), (16, 7,
                                                                         7)),
        coarse_kernels: Sequence[Optional[Sequence[Shape]]] = (((1, 7, 7),
                                                                (4, 2, 2)),
                                                               ((1, 7, 7),
                                                                (4, 1, 1)),
                                                               None, None),
        fine_kernels: Optional[Sequence[Optional[Shape]]] = None,
        mlp_ratio: int = 4,
        drop_path_rate: float = 0.,
        with_cp: bool = False,
        init_cfg: Union[dict, Sequence[dict]] = dict(
            type='TruncNormal', layer='Linear', std=0.02)
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if axes not in (2, 3):
            raise ValueError(f'axes={axes}: DualFormer takes videos (3) or '
                             'images (2).')
        arch = _arch(arch)
        depths = arch['depths']
        fine_kernels = fine_kernels or [None] * len(depths)
        for name, value in (('fine_sizes', fine_sizes), ('coarse_kernels',
                                                         coarse_kernels),
                            ('fine_kernels', fine_kernels)):
            if len(value) != len(depths):
                raise ValueError(f'{name} has {len(value)} entries for '
                                 f'{len(depths)} stages: give one each.')

        def last(size: Optional[Shape]) -> Optional[Shape]:
            return None if size is None else tuple(size)[-axes:]

        self.axes = axes
        self.embed_dims = arch['embed_dims']
        rates = iter(np.linspace(0, drop_path_rate, sum(depths)).tolist())
        self.stages = ModuleList()
        channels = 3
        for i, depth in enumerate(depths):
            dims, heads = arch['embed_dims'] * 2**i, arch['num_heads'] * 2**i
            coarse = coarse_kernels[i] and [last(k) for k in coarse_kernels[i]]

            def attention(number: int) -> nn.Module:
                if number % 2 == 0:
                    return LocalAttention(dims, heads, last(window))
                return GlobalAttention(dims, heads, last(fine_sizes[i]),
                                       coarse, last(fine_kernels[i]))

            self.stages.append(
                Stage(
                    PatchEmbed(channels, dims,
                               last(patch_size if i == 0 else (1, 2, 2))), [
                                   Block(dims, attention(number), mlp_ratio,
                                         next(rates), with_cp)
                                   for number in range(depth)
                               ], PositionGenerator(dims, axes)))
            channels = dims
        self.norm = nn.LayerNorm(channels)
        require_complete(self)

    def init_weights(self) -> None:
        """Initialise, or load all of a checkpoint."""
        init_cfg = self.init_cfg
        if isinstance(init_cfg, dict) and init_cfg['type'] == 'Pretrained':
            load_pretrained(
                self, **{
                    k: v
                    for k, v in init_cfg.items() if k != 'type'
                })
            self._is_init = True
        else:
            super().init_weights()

    def forward(self, x: Tensor) -> Union[Tensor, Tuple[Tensor]]:
        """Map of tokens of the last stage.

        Args:
            x: Clips ``(B, 3, T, H, W)``, or images ``(B, 3, H, W)``.

        Returns:
            ``(B, C, T', H', W')`` as MMAction2's heads take it, or the tuple
            ``((B, C, H', W'), )`` as mmpretrain's necks do.

        Raises:
            ValueError: If the input has another number of axes or is too
                short or small for the pyramids of priors.
        """
        if x.dim() != 2 + self.axes:
            raise ValueError(
                f'DualFormer with axes={self.axes} takes inputs of '
                f'{2 + self.axes} dimensions, given {tuple(x.shape)}.')
        size = x.shape[2:]
        for number, stage in enumerate(self.stages, 1):
            tokens, shape = stage.patch_embed(x)
            if any(s < m for s, m in zip(shape, stage.smallest)):
                raise ValueError(
                    f'Inputs of {_times(size)} pixels are {_times(shape)} '
                    f'tokens in stage {number} of DualFormer, whose pyramid '
                    f'of priors needs {_times(stage.smallest)}.')
            tokens = stage(tokens, shape)
            x = to_map(tokens, shape)
        x = to_map(self.norm(tokens), shape)
        return x if self.axes == 3 else (x, )


def _arch(arch: Union[str, dict]) -> dict:
    if isinstance(arch, str):
        if arch not in ARCHS:
            raise ValueError(f'arch={arch!r} is not among '
                             f'{", ".join(ARCHS)}.')
        return ARCHS[arch]
    if set(arch) != set(ARCHS['tiny']):
        raise ValueError(f'arch={arch} must give '
                         f'{", ".join(ARCHS["tiny"])}.')
    return arch


def _times(shape: Shape) -> str:
    return ' x '.join(map(str, shape))
