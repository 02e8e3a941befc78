"""Side4Video: a narrow network beside a frozen one.

Paper: Side4Video: Spatial-Temporal Side Network for Memory-Efficient
Image-to-Video Transfer Learning, 2023. https://arxiv.org/abs/2311.15769
Official code: https://github.com/HJYao00/Side4Video
"""
from typing import Any

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..complete import require_complete
from ..features import Features
from ..layers import Conv3d
from ..recompute import recompute
from ..shapes import as_clips, check_channels, heads_of
from .base import ClipHead


def shifted(c: Tensor) -> Tensor:
    """Class tokens of the frames around, half of the channels each.

    The first half of c_t' is that of c_{t+1}, the second that of c_{t-1};
    zeros at the ends. ``(B, T, C) -> same``.
    """
    pad = nn.functional.pad
    half = c.shape[-1] // 2
    return torch.cat((pad(c[:, 1:, :half],
                          (0, 0, 0, 1)), pad(c[:, :-1, half:], (0, 0, 1, 0))),
                     -1)


class SideBlock(nn.Module):
    """A block of the side network beside a block l of the frozen one.

    u <- (u + FC(LN z_l)) / 2 with the patches, c = FC(LN class_l);
    u <- u + PW(DW(PW(BN u))), the depth-wise convolution along time;
    u <- u + MHA(LN(u + p), LN[c'; u + p]) in each frame, c' being c of the
    frames around, see :func:`shifted`; u <- u + MLP(BN u).

    Args:
        in_channels: Channels C of the frozen network.
        dims: Channels D of the side network.
        num_heads: Heads of the attention.
    """

    def __init__(self, in_channels: int, dims: int, num_heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_channels)
        self.down = nn.Linear(in_channels, dims)
        self.norm1 = nn.BatchNorm3d(dims)
        self.conv = nn.Sequential(
            Conv3d(dims, dims, 1),
            Conv3d(dims, dims, (3, 1, 1), padding=(1, 0, 0), groups=dims),
            Conv3d(dims, dims, 1))
        self.norm2 = nn.LayerNorm(dims)
        self.attn = nn.MultiheadAttention(dims, num_heads, batch_first=True)
        self.norm3 = nn.BatchNorm3d(dims)
        self.mlp = nn.Sequential(
            nn.Linear(dims, dims), nn.GELU(), nn.Linear(dims, dims))

    def init_weights(self, num_blocks: int) -> None:
        """Normal, as in the release.

        Args:
            num_blocks: Blocks whose outputs are added up; the release sets 12.
        """
        dims = self.down.out_features
        added = (2 * num_blocks * dims)**-0.5
        for weight, std in ((self.down.weight, (2 * dims)**-0.5),
                            (self.mlp[0].weight, (2 * dims)**-0.5),
                            (self.attn.in_proj_weight,
                             dims**-0.5), (self.attn.out_proj.weight, added),
                            (self.mlp[2].weight, added)):
            nn.init.normal_(weight, std=std)

    def forward(self, u: Tensor, z: Tensor, extra: int,
                positions: Tensor) -> Tensor:
        """``(B, D, T, h, w) -> same``.

        Args:
            u: Map of the side network.
            z: Tokens of the frozen block ``(B, T, N, C)``.
            extra: How many of them are no patches, the class token first.
            positions: ``(h*w, D)``.
        """
        size = u.shape[2:]
        if extra > 1:  # registers
            z = torch.cat((z[:, :, :1], z[:, :, extra:]), 2)
        z = self.down(self.norm(z))
        c, z = shifted(z[:, :, 0]), z[:, :, 1:]
        u = (u + z.permute(0, 3, 1, 2).unflatten(-1, size[1:])) / 2
        u = u + self.conv(self.norm1(u))
        tokens = u.permute(0, 2, 3, 4, 1).flatten(2, 3) + positions
        tokens = self.norm2(
            torch.cat((c[:, :, None], tokens), 2).flatten(0, 1))
        y = self.attn(tokens[:, 1:], tokens, tokens, need_weights=False)[0]
        y = y.unflatten(0, (u.shape[0], -1)).permute(0, 3, 1, 2)
        u = u + y.unflatten(-1, size[1:])
        y = self.mlp(self.norm3(u).movedim(1, -1))
        return u + y.movedim(-1, 1)


@MODELS.register_module()
@checked
class SideNetwork(ClipHead):
    """A side block for each frozen block, then BN, mean and FC.

    It reads ``FrozenFeatures`` of all blocks with ``images=True``.

    Args:
        num_classes: Number of classes.
        in_channels: Channels C of the frozen network.
        num_frames: T, frames of a clip.
        dims: Channels D of the side network.
        num_blocks: Blocks of the frozen network.
        patch_size: Pixels of its patches.
        grid: Patches along each side of an image.
        dropout: Dropout rate in front of the FC.
        with_cp: Whether to recompute blocks in the backward pass to save
            memory.
        kwargs: Further arguments of MMAction2's ``BaseHead``.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 num_frames: int,
                 dims: int = 320,
                 num_blocks: int = 12,
                 patch_size: int = 16,
                 grid: int = 14,
                 dropout: float = 0.,
                 with_cp: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, **kwargs)
        self.num_frames = num_frames
        self.grid = grid
        self.patch_size = patch_size
        self.stem = Conv3d(
            3,
            dims, (3, patch_size, patch_size),
            stride=(1, patch_size, patch_size),
            padding=(1, 0, 0))
        self.stem_norm = nn.BatchNorm3d(dims)
        self.positions = nn.Parameter(torch.zeros(grid**2, dims))
        self.blocks = nn.ModuleList([
            SideBlock(in_channels, dims, heads_of(dims, None))
            for _ in range(num_blocks)
        ])
        self.norm = nn.BatchNorm3d(dims)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(dims, num_classes)
        for block in self.blocks if with_cp else ():
            recompute(block)
        require_complete(self)

    def init_weights(self) -> None:
        """As in the release."""
        super().init_weights()
        nn.init.normal_(self.positions, std=0.01)
        nn.init.normal_(self.fc.weight, std=0.02)
        nn.init.zeros_(self.fc.bias)
        for block in self.blocks:
            block.init_weights(len(self.blocks))

    def forward(self, x: Features, **kwargs) -> Tensor:
        """Scores ``(B*M, classes)`` of M clips and crops a video.

        Args:
            x: Features of frames, of each block, with the images.

        Raises:
            ValueError: If they are something else, or of other sizes.
        """
        if not isinstance(x, Features) or x.clips or x.images is None \
                or not x.extra_tokens or len(x.tokens) != len(self.blocks):
            raise ValueError(
                f'SideNetwork with num_blocks={len(self.blocks)} reads frames '
                'of FrozenFeatures with as many blocks and images=True, of '
                'an image network with a class token.')
        size = (self.grid * self.patch_size, ) * 2
        if x.images.shape[-2:] != size \
                or x.patches().shape[1] != self.grid**2:
            raise ValueError(
                f'SideNetwork with grid={self.grid} and patch_size='
                f'{self.patch_size} reads images of {size}, given '
                f'{tuple(x.images.shape[-2:])} and {x.patches().shape[1]} '
                'patches.')
        check_channels(self, x.tokens[0])
        dtype = self.positions.dtype
        images = as_clips(x.images.to(dtype), self.num_frames)
        u = self.stem_norm(self.stem(images.transpose(1, 2)))
        for block, z in zip(self.blocks, x.tokens):
            z = as_clips(z, self.num_frames).to(dtype)
            u = block(u, z, x.extra_tokens, self.positions)
        return self.fc(self.dropout(self.norm(u).flatten(2).mean(-1)))
