"""ZeroI2V: heads that look at other frames, at no cost.

Paper: ZeroI2V: Zero-Cost Adaptation of Pre-trained Transformers from Image to
Video, ECCV 2024. https://arxiv.org/abs/2310.01324
Official code: https://github.com/leexinhao/ZeroI2V
The rest of it are adapters of other files: linear bottlenecks in front of and
behind attention and MLP, ``PreAdapter`` at ``qkv`` and ``fc1`` and
``SerialAdapter`` at ``proj`` and ``fc2`` with ``act_cfg=None``, which
``tools/merge_model.py fold`` makes a part of the frozen weights; and
``FramePositions`` at ``tokens``.
Departures: the release counts channels, a twelfth of them for each offset,
which in ViT-B is a head; here it is a head in any network.
"""
from typing import Any, Sequence

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..sites import Site
from .token_shift import ShiftedAttention


@MODELS.register_module()
@checked
class STDHA(ShiftedAttention):
    """Spatial-temporal dual-headed attention.

    The first heads take their keys and values from other frames, k~_t =
    k_{t+o} and v~_t = v_{t+o} with one offset o each; the others stay
    spatial. A frame that has no such neighbour keeps its own. All tokens
    take part, and there are no parameters. Attached with ``site='qkv'``.

    Args:
        base: The projection to queries, keys and values.
        site: Where it stands.
        num_frames: T, frames of a clip.
        offsets: One for each temporal head, in frames; the paper adds -2 for
            Something-Something-V2.
        heads: ``num_heads``, see :class:`ShiftedAttention`.

    Raises:
        ValueError: If there are more offsets than heads.
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_frames: int,
                 offsets: Sequence[int] = (-1, 1),
                 **heads: Any) -> None:
        super().__init__(base, site, num_frames, **heads)
        if len(offsets) > self.num_heads:
            raise ValueError(f'offsets={list(offsets)}: the attention has '
                             f'{self.num_heads} heads.')
        self.offsets = tuple(offsets)

    def shift(self, y: Tensor) -> Tensor:
        """``(B, T, N, H, D) -> same``."""
        frames = torch.arange(y.shape[1], device=y.device)
        heads = list(y[..., :len(self.offsets), :].unbind(-2))
        for head, offset in enumerate(self.offsets):
            source = frames + offset
            inside = (source >= 0) & (source < len(frames))
            heads[head] = heads[head][:, torch.where(inside, source, frames)]
        return torch.cat((torch.stack(heads, -2),
                          y[..., len(self.offsets):, :]), -2) if heads else y
