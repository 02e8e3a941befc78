"""Parallel attention (PATT).

Paper: Towards a Unified View on Visual Parameter-Efficient Transfer Learning,
arXiv 2022, Sec. 2.3 and Fig. 3. https://arxiv.org/abs/2210.00788
Official code: https://github.com/bruceyo/V-PETL
Departures: the paper leaves open how many parameters replace x in "No Z";
here it is one vector per token of a window, since one for all would shift all
scores alike and change no attention. The release's ``patt_qk`` mode drops the
softmax, the relative-position bias and the shift mask; here every mode keeps
them, so a model that was trained in that mode gives other scores. Its head
averages pairs of frames first and has no dropout, as
``ClipMeanHead(pool_frames=2)`` does.
"""
from typing import Any, Optional

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from ..sites import AttentionInputs, Site
from .attention import AttentionAdapter


@MODELS.register_module()
class PATT(AttentionAdapter):
    """Keys and values from a bottleneck beside the frozen projections.

    K_p, V_p = Linear(tanh(Linear x)) (Eq. 9), and k = W_k x + s K_p,
    v = W_v x + s V_p (Eq. 10), x being the attention's own input: in windowed
    attention the normalised, padded, shifted windows. As in the authors'
    release the layers start at random, not at zero.

    Args:
        base: The attention module.
        site: Where it stands, ``msa``.
        width: Channels d_bottle of the bottleneck.
        scale: Factor s.
        on: What is added to, any letters of ``'qkv'`` (Table 4).
        concat: Whether s K_p and s V_p stand in front of the frozen keys and
            values as keys of their own instead ("Concat [K, V]"). Each has
            the position bias and the shift mask of the token it comes from.
        num_tokens: Number of trainable vectors that stand for x, one for each
            token of a window or image ("No Z"); None reads x. A shorter
            input takes the first of them.

    Raises:
        ValueError: If ``on`` is no selection of ``'qkv'``, ``width`` or
            ``num_tokens`` is not positive, or ``concat`` is combined with
            queries or with ``num_tokens`` (which is ``PrefixTuning``).
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 width: int = 128,
                 scale: float = 0.8,
                 on: str = 'kv',
                 concat: bool = False,
                 num_tokens: Optional[int] = None) -> None:
        super().__init__(base, site)
        self.on = ''.join(part for part in 'qkv' if part in on)
        if not on or sorted(on) != sorted(self.on):
            raise ValueError(f"on={on!r} is no selection of 'qkv'.")
        if concat and self.on != 'kv':
            raise ValueError(f"concat=True makes keys and values: on={on!r} "
                             "must be 'kv'.")
        if concat and num_tokens is not None:
            raise ValueError('concat=True with num_tokens is prefix-tuning: '
                             "use type='PrefixTuning'.")
        if width < 1 or (num_tokens is not None and num_tokens < 1):
            raise ValueError(f'width={width} and num_tokens={num_tokens} must '
                             'be positive.')
        self.scale = scale
        self.concat = concat
        self.down = nn.Linear(site.dims, width)
        self.up = nn.Linear(width, len(self.on) * site.dims)
        self.tokens = None
        if num_tokens is not None:
            self.tokens = nn.Parameter(torch.randn(num_tokens, site.dims))

    def inputs(self, x: Tensor, *args: Any, **kwargs: Any) -> AttentionInputs:
        """q, k, v and bias with the parallel attention in place."""
        frozen = super().inputs(x, *args, **kwargs)
        z = x if self.tokens is None else self._tokens_for(x)
        delta = self.scale * self.up(torch.tanh(self.down(z)))
        parts = map(self.heads, delta.chunk(len(self.on), -1))
        if self.concat:
            return frozen.prepend(*parts, positioned=True)
        return frozen.add(**dict(zip(self.on, parts)))

    def _tokens_for(self, x: Tensor) -> Tensor:
        if x.shape[1] > len(self.tokens):
            raise ValueError(f'The attention has {x.shape[1]} tokens, but '
                             f'num_tokens={len(self.tokens)}.')
        return self.tokens[:x.shape[1]]
