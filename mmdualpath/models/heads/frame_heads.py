"""Classifiers on top of the frames of a clip.

Papers: the mean and the temporal transformer of Sec. 3.1 of Dual-path
Adaptation from Image to Video Transformers, CVPR 2023
(https://arxiv.org/abs/2303.09857), after VideoPrompt
(https://arxiv.org/abs/2112.04478); attentional pooling is a row of the
ST-Adapter benchmark, NeurIPS 2022 (https://arxiv.org/abs/2206.13559).
They go with MMAction2's ``Recognizer2D``, whose batch holds the frames of all
clips and crops, and give one score per clip and crop, so that
``average_clips`` averages those.
"""
from typing import Any, Optional, Union

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..complete import require_complete
from ..features import Features
from ..shapes import as_clips, check_channels, heads_of
from .base import ClipHead

INIT_CFG = dict(type='TruncNormal', layer='Linear', std=0.02)


@checked
class FrameHead(ClipHead):
    """FC over a vector that a subclass pools from the frames of a clip.

    Args:
        num_classes: Number of classes.
        in_channels: Channels C of the features.
        num_frames: T, frames of a clip.
        dropout: Dropout rate in front of the FC.
        init_cfg: Initialisation of the layers.
        kwargs: Further arguments of MMAction2's ``BaseHead``.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 num_frames: int,
                 dropout: float = 0.,
                 init_cfg: dict = INIT_CFG,
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, init_cfg=init_cfg, **kwargs)
        self.num_frames = num_frames
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(in_channels, num_classes)
        require_complete(self)

    def forward(self,
                x: Union[Tensor, Features],
                num_segs: Optional[int] = None,
                **kwargs) -> Tensor:
        """Scores ``(B*M, classes)`` of M clips and crops a video.

        Args:
            x: Vectors ``(B*M*T, C)`` of the frames, their tokens
                ``(B*M*T, N, C)`` or maps ``(B*M*T, C, h, w)``; or features
                of one block of a frozen network, of frames or of clips.
            num_segs: M*T, as ``Recognizer2D`` gives it.

        Raises:
            ValueError: If the frames of a video make no whole clips, the
                features have other channels, or they are of several blocks.
        """
        if num_segs is not None and num_segs % self.num_frames:
            raise ValueError(f'The {num_segs} frames of a video make no whole '
                             f'clips of num_frames={self.num_frames}.')
        rows = self.num_frames
        if isinstance(x, Features):
            if len(x.tokens) != 1:
                raise ValueError(
                    f'{type(self).__name__} reads the tokens of one block, '
                    f'given those of {len(x.tokens)}.')
            rows = 1 if x.clips else rows
            x = x.tokens[0].to(self.fc.weight.dtype)
        if x.dim() == 4:
            x = x.flatten(2).mT
        x = x.unsqueeze(1) if x.dim() == 2 else x
        check_channels(self, x)
        return self.fc(self.dropout(self.pool(as_clips(x, rows))))

    def pool(self, x: Tensor) -> Tensor:
        """``(B*M, T, N, C) -> (B*M, C)``; T is 1 for features of clips."""
        raise NotImplementedError


@MODELS.register_module()
@checked
class FrameMeanHead(FrameHead):
    """Mean over the frames, then FC. Arguments as every frame head."""

    def pool(self, x: Tensor) -> Tensor:
        """``(B*M, T, N, C) -> (B*M, C)``."""
        return x.mean((1, 2))


@MODELS.register_module()
@checked
class TemporalTransformerHead(FrameHead):
    """A transformer block over the T frames, their mean, then FC.

    x_t <- x_t + p_t with learnable p; z = x + MHA(LN x);
    h = z + MLP(LN z); FC(mean_t h). 12 d^2 parameters.

    Args:
        num_classes: Number of classes.
        in_channels: Channels d of the features.
        num_frames: T, frames of a clip.
        num_heads: Heads of the attention, by default of 64 channels each.
        kwargs: As every frame head.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 num_frames: int,
                 num_heads: Optional[int] = None,
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, num_frames, **kwargs)
        self.positions = nn.Parameter(torch.zeros(num_frames, in_channels))
        self.block = nn.TransformerEncoderLayer(
            in_channels,
            heads_of(in_channels, num_heads),
            dim_feedforward=4 * in_channels,
            dropout=0.,
            activation='gelu',
            batch_first=True,
            norm_first=True)

    def init_weights(self) -> None:
        """The layers as configured, the positions at random."""
        super().init_weights()
        nn.init.trunc_normal_(self.positions, std=0.02)

    def pool(self, x: Tensor) -> Tensor:
        """``(B*M, T, N, C) -> (B*M, C)``."""
        return self.block(x.mean(2) + self.positions).mean(1)


@MODELS.register_module()
@checked
class AttentivePoolingHead(FrameHead):
    """A learnable query attends to all tokens of all frames, then FC.

    FC(MHA(query, x, x)): 4 d^2 parameters. It reads whatever tokens the
    backbone puts out; ``out_type='raw'`` of a ViT gives all of them.

    Args:
        num_classes: Number of classes.
        in_channels: Channels d of the features.
        num_frames: T, frames of a clip.
        num_heads: Heads of the attention, by default of 64 channels each.
        kwargs: As every frame head.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 num_frames: int,
                 num_heads: Optional[int] = None,
                 **kwargs: Any) -> None:
        super().__init__(num_classes, in_channels, num_frames, **kwargs)
        self.query = nn.Parameter(torch.zeros(in_channels))
        self.attn = nn.MultiheadAttention(
            in_channels, heads_of(in_channels, num_heads), batch_first=True)

    def init_weights(self) -> None:
        """The layers as configured, the query at random."""
        super().init_weights()
        nn.init.trunc_normal_(self.query, std=0.02)

    def pool(self, x: Tensor) -> Tensor:
        """``(B*M, T, N, C) -> (B*M, C)``."""
        x = x.flatten(1, 2)
        query = self.query.expand(x.shape[0], 1, -1)
        return self.attn(query, x, x, need_weights=False)[0].squeeze(1)
