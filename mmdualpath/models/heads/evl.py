"""EVL: a decoder over the blocks of a frozen image network.

Paper: Frozen CLIP Models are Efficient Video Learners, ECCV 2022.
https://arxiv.org/abs/2208.03550
Written from the paper alone. The MLP has the exact GELU.
"""
from typing import Any, Optional

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
from .frame_heads import INIT_CFG


def head_mean_attention(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / sqrt d), averaged over the heads.

    Args:
        q: ``(..., H, P, D)``.
        k: The same.

    Returns:
        ``(..., P, P)``.
    """
    heads = q.shape[-3]
    mean = 0
    for h in range(heads):  # all heads at once take as many times the memory
        scores = q[..., h, :, :] @ k[..., h, :, :].mT * q.shape[-1]**-0.5
        mean = mean + scores.softmax(-1) / heads
    return mean


class TemporalCrossAttention(nn.Module):
    """T-CA: how frames move on to their neighbours, as features.

    sum over the frames t' = t - 1, t + 1 and places y of
    softmax(q_t k_t'^T / sqrt d)[x, y] w_t'[y - x], with frozen q and k; the
    first frame has none before it and the last none behind.

    Args:
        size: Height h and width w of the map of patches.
        dims: Channels C.
    """

    def __init__(self, size: tuple, dims: int) -> None:
        super().__init__()
        h, w = size
        self.tables = nn.Parameter(
            torch.zeros(2, (2 * h - 1) * (2 * w - 1), dims))
        y, x = (
            t.flatten() for t in torch.meshgrid(
                torch.arange(h), torch.arange(w), indexing='ij'))
        dy, dx = (t[None] - t[:, None] for t in (y, x))
        self.register_buffer(
            'index', (dy + h - 1) * (2 * w - 1) + dx + w - 1, persistent=False)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Queries and keys ``(B, T, H, P, D)`` to ``(B, T, P, C)``."""
        before, behind = (table[self.index] for table in self.tables)
        with torch.no_grad():
            back = head_mean_attention(q[:, 1:], k[:, :-1]).to(before.dtype)
            forth = head_mean_attention(q[:, :-1], k[:, 1:]).to(before.dtype)
        back = torch.einsum('btqk,qkc->btqc', back, before)
        forth = torch.einsum('btqk,qkc->btqc', forth, behind)
        pad = nn.functional.pad
        return pad(back, (0, 0, 0, 0, 1, 0)) + pad(forth, (0, 0, 0, 0, 0, 1))


class DecoderLayer(nn.Module):
    """One query reads the tokens of one block of a clip.

    F = f + Conv(f) + p_t + T-CA; x <- x + MHA(LN x, LN F);
    x <- x + MLP(LN x). Convolution along time, positions p_t and T-CA start
    at zero.

    Args:
        dims: Channels C.
        num_heads: Heads of the attention.
        num_frames: T.
        size: Height and width of the map of patches.
    """

    def __init__(self, dims: int, num_heads: int, num_frames: int,
                 size: tuple) -> None:
        super().__init__()
        self.conv = Conv3d(
            dims, dims, (3, 1, 1), padding=(1, 0, 0), groups=dims)
        self.positions = nn.Parameter(torch.zeros(num_frames, 1, dims))
        self.cross = TemporalCrossAttention(size, dims)
        self.norm1 = nn.LayerNorm(dims)
        self.norm_tokens = nn.LayerNorm(dims)
        self.attn = nn.MultiheadAttention(dims, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dims)
        self.mlp = nn.Sequential(
            nn.Linear(dims, 4 * dims), nn.GELU(), nn.Linear(4 * dims, dims))

    def forward(self, x: Tensor, f: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """``(B, 1, C) -> same``.

        Args:
            x: The query.
            f: Tokens ``(B, T, N, C)``, those of the P patches last.
            q: Queries of the patches ``(B, T, H, P, D)``.
            k: Keys of the same shape.
        """
        moved = self.conv(f.permute(0, 3, 1, 2)[..., None])
        tokens = f + moved[..., 0].permute(0, 2, 3, 1) + self.positions
        cross = self.cross(q, k)
        tokens = tokens + nn.functional.pad(
            cross, (0, 0, f.shape[2] - cross.shape[2], 0))
        tokens = self.norm_tokens(tokens.flatten(1, 2))
        x = x + self.attn(self.norm1(x), tokens, tokens, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


@MODELS.register_module()
@checked
class EVLDecoder(ClipHead):
    """A decoder layer for each chosen block, then LN, dropout and FC.

    It reads ``FrozenFeatures`` with ``queries_keys=True``.

    Args:
        num_classes: Number of classes.
        in_channels: Channels C of the tokens.
        num_frames: T, frames of a clip.
        grid: Patches along each side of an image.
        num_layers: Blocks that are read.
        num_heads: Heads of the attention, by default of 64 channels each.
        dropout: Dropout rate in front of the FC.
        init_cfg: Initialisation of the layers.
        with_cp: Whether to recompute blocks in the backward pass to save
            memory.
        kwargs: Further arguments of MMAction2's ``BaseHead``.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 num_frames: int,
                 grid: int = 14,
                 num_layers: int = 4,
                 num_heads: Optional[int] = None,
                 dropout: float = 0.5,
                 with_cp: bool = False,
                 init_cfg: dict = INIT_CFG,
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, init_cfg=init_cfg, **kwargs)
        self.num_frames = num_frames
        self.grid = grid
        heads = heads_of(in_channels, num_heads)
        self.query = nn.Parameter(torch.zeros(in_channels))
        self.layers = nn.ModuleList([
            DecoderLayer(in_channels, heads, num_frames, (grid, grid))
            for _ in range(num_layers)
        ])
        self.norm = nn.LayerNorm(in_channels)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)
        for block in self.layers if with_cp else ():
            recompute(block)
        require_complete(self)

    def init_weights(self) -> None:
        """The layers as configured, the convolutions zero."""
        super().init_weights()
        nn.init.trunc_normal_(self.query, std=0.02)
        for layer in self.layers:
            nn.init.zeros_(layer.conv.weight)
            nn.init.zeros_(layer.conv.bias)

    def forward(self, x: Features, **kwargs) -> Tensor:
        """Scores ``(B*M, classes)`` of M clips and crops a video.

        Args:
            x: Features of frames, with queries and keys of each block.

        Raises:
            ValueError: If they are something else, or of other sizes.
        """
        if not isinstance(x, Features) or x.clips or not x.queries \
                or len(x.tokens) != len(self.layers):
            raise ValueError(
                f'EVLDecoder with num_layers={len(self.layers)} reads frames '
                'of FrozenFeatures with as many blocks and '
                'queries_keys=True, of an image network.')
        patches = self.grid**2
        if x.patches().shape[1] != patches \
                or x.queries[0].shape[2] < patches \
                or x.queries[0].shape[0] != x.tokens[0].shape[0]:
            raise ValueError(
                f'EVLDecoder with grid={self.grid} reads {patches} patches of '
                'an image that all attend to each other, given '
                f'{x.patches().shape[1]} patches and queries of '
                f'{tuple(x.queries[0].shape)}.')
        check_channels(self, x.tokens[0])
        out = None
        for layer, f, q, k in zip(self.layers, x.tokens, x.queries, x.keys):
            f = as_clips(f, self.num_frames).to(self.query.dtype)
            q, k = (
                as_clips(t[:, :, -patches:], self.num_frames) for t in (q, k))
            if out is None:
                out = self.query.repeat(f.shape[0], 1, 1)
            out = layer(out, f, q, k)
        return self.fc(self.dropout(self.norm(out.squeeze(1))))
