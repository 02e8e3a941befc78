"""The attentive probe: a small transformer over frozen tokens.

Paper: V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction
and Planning, 2025. https://arxiv.org/abs/2506.09985
Official code: https://github.com/facebookresearch/vjepa2
As there, the query is not normalised, the cross-attention has no projection
of its output, and its block is scaled at the start like the last of the
others.
"""
from typing import Any

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..recompute import recompute
from ..shapes import heads_of
from .frame_heads import FrameHead


@MODELS.register_module()
@checked
class AttentiveProbe(FrameHead):
    """Self-attention over all tokens of a clip, then one query reads them.

    x <- x + MHA(LN x), x <- x + MLP(LN x) in ``depth - 1`` blocks;
    q <- q + CrossAttention(q, LN x), q <- q + MLP(LN q); FC(q).
    No positions are added: those of the tokens are the frozen network's.

    Args:
        num_classes: Number of classes.
        in_channels: Channels d of the tokens.
        num_frames: T, frames of a clip.
        depth: Blocks, the one with the query included.
        num_heads: Heads of the attention.
        with_cp: Whether to recompute blocks in the backward pass to save
            memory.
        kwargs: As every frame head.

    Raises:
        ValueError: If the heads do not divide the channels, or there is no
            block.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 num_frames: int,
                 depth: int = 4,
                 num_heads: int = 16,
                 with_cp: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, num_frames, **kwargs)
        if depth < 1:
            raise ValueError(f'depth={depth}: give a positive number of '
                             'blocks.')
        heads_of(in_channels, num_heads)
        self.num_heads = num_heads
        self.blocks = nn.ModuleList([
            nn.TransformerEncoderLayer(
                in_channels,
                num_heads,
                dim_feedforward=4 * in_channels,
                dropout=0.,
                activation='gelu',
                batch_first=True,
                norm_first=True) for _ in range(depth - 1)
        ])
        self.query = nn.Parameter(torch.zeros(in_channels))
        self.norm1 = nn.LayerNorm(in_channels)
        self.q = nn.Linear(in_channels, in_channels)
        self.kv = nn.Linear(in_channels, 2 * in_channels)
        self.norm2 = nn.LayerNorm(in_channels)
        self.mlp = nn.Sequential(
            nn.Linear(in_channels, 4 * in_channels), nn.GELU(),
            nn.Linear(4 * in_channels, in_channels))

        for block in self.blocks if with_cp else ():
            recompute(block)

    def init_weights(self) -> None:
        """Normal of 0.02; what block i adds is divided by sqrt(2 i)."""
        super().init_weights()
        nn.init.trunc_normal_(self.query, std=0.02)
        for number, block in enumerate(self.blocks, 1):
            nn.init.trunc_normal_(block.self_attn.in_proj_weight, std=0.02)
            for layer in (block.self_attn.out_proj, block.linear2):
                layer.weight.data /= (2 * number)**0.5
        self.mlp[-1].weight.data /= (2 * max(len(self.blocks), 1))**0.5

    def pool(self, x: Tensor) -> Tensor:
        """``(B*M, T, N, C) -> (B*M, C)``."""
        x = x.flatten(1, 2)
        for block in self.blocks:
            x = block(x)
        query = self.query.repeat(x.shape[0], 1, 1)
        q, k, v = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for t in (self.q(query), *self.kv(self.norm1(x)).chunk(2, -1)))
        y = F.scaled_dot_product_attention(q, k, v)
        query = query + y.transpose(1, 2).flatten(2)
        return (query + self.mlp(self.norm2(query))).squeeze(1)
