"""Bottleneck adapters, parallel, serial and in front of a module.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023.
https://arxiv.org/abs/2303.09857
The bottleneck is that of Parameter-Efficient Transfer Learning for NLP
(Houlsby et al., ICML 2019), beside the MLP that of AdaptFormer (NeurIPS 2022,
https://arxiv.org/abs/2205.13535, https://github.com/ShoufaChen/AdaptFormer).
Departures: Eq. 9 taken literally turns a freshly initialised temporal block
into the identity; ``skip=True``, the default, keeps the frozen block instead.
``down`` starts Kaiming-normal, as the paper says; the code of DualPath and of
AdaptFormer draws it with ``init='kaiming_uniform'``. AdaptFormer's release
feeds the adapter beside the MLP the stream itself, ``site='norm_mlp'``; it has
``dropout=0.1`` on images, and on videos its network draws ``down`` and ``up``
anew, ``init='trunc_normal'``. AIM and ZeroI2V draw ``down`` alone so,
``init='trunc_normal_down'``; AIM drops paths of the adapter beside the MLP,
``drop_path``, and ZeroI2V has no activation, ``act_cfg=None``.
"""
import math
from typing import Any, Dict, Optional, Tuple

import torch
from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer
from mmcv.cnn.bricks import DropPath
from torch import Tensor, nn

from ...options import checked
from ..sites import Site
from .base import GIVES_TOKENS, READS_TOKENS, SAME_SHAPE, Adapter


def _trunc_normal(bottleneck: nn.Module) -> None:
    for layer in (bottleneck.down, bottleneck.up):
        nn.init.trunc_normal_(layer.weight, std=0.02)


INITS = dict(
    kaiming_normal=lambda b: nn.init.kaiming_normal_(b.down.weight),
    kaiming_uniform=lambda b: nn.init.kaiming_uniform_(
        b.down.weight, a=math.sqrt(5)),
    trunc_normal=_trunc_normal,
    trunc_normal_down=lambda b: nn.init.trunc_normal_(b.down.weight, std=0.02))


class Bottleneck(nn.Module):
    """``up(dropout(act(down x)))``.

    Both biases start at zero, and so does ``up`` unless ``init`` says
    otherwise: a new adapter adds nothing.

    Args:
        dims: Channels C of the tokens.
        width: Channels of the bottleneck.
        act_cfg: Activation between the projections; None leaves it out.
        dropout: Dropout rate in the bottleneck.
        init: How ``down`` starts: ``kaiming_normal``, of variance 2 / C;
            ``kaiming_uniform`` with a = sqrt(5), of variance 1 / (3 C);
            ``trunc_normal_down``, of standard deviation 0.02; or
            ``trunc_normal``, the same and ``up`` likewise.

    Raises:
        ValueError: If ``width`` is not positive or ``init`` another word.
    """

    @checked
    def __init__(self,
                 dims: int,
                 width: int = 128,
                 act_cfg: Optional[dict] = dict(type='GELU'),
                 dropout: float = 0.,
                 init: str = 'kaiming_normal') -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f'width={width}: a bottleneck needs at least '
                             'one channel.')
        if init not in INITS:
            raise ValueError(f'init={init!r} is none of {", ".join(INITS)}.')
        self.down = nn.Linear(dims, width)
        self.act = build_activation_layer(
            act_cfg) if act_cfg else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(width, dims)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)
        INITS[init](self)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C) -> same``."""
        return self.up(self.dropout(self.act(self.down(x))))

    def linear(self) -> Tuple[Tensor, Tensor]:
        """As one matrix ``(C, C)`` and offset ``(C, )`` in double precision,
        where it has no activation."""
        up = self.up.weight.double()
        return (up @ self.down.weight.double(),
                up @ self.down.bias.double() + self.up.bias.double())


@checked
class _BottleneckAdapter(Adapter):
    """Holds the bottleneck that the three adapters place differently."""

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 scale: float = 1.,
                 **bottleneck: Any) -> None:
        super().__init__(base, site)
        self.adapter = Bottleneck(site.dims, **bottleneck)
        self.scale = scale

    def linear(self) -> Tuple[Tensor, Tensor]:
        """s times the bottleneck as one matrix and offset, to fold.

        Raises:
            ValueError: If it has an activation.
        """
        if not isinstance(self.adapter.act, nn.Identity):
            raise self.unfoldable('its bottleneck has the activation '
                                  f'{type(self.adapter.act).__name__}')
        matrix, offset = self.adapter.linear()
        return self.scale * matrix, self.scale * offset


@MODELS.register_module()
@checked
class ParallelAdapter(_BottleneckAdapter):
    """An adapter beside a module, fed by the module's own input (Eq. 7).

    ``base(x) + scale * adapter(x)``; around a block's attention and MLP this
    is z = h + MHA(LN h) + Adapter(LN h) and h' = z + MLP(LN z) +
    Adapter(LN z).

    Args:
        base: The module that is adapted.
        site: Where it stands.
        scale: Factor s of the adapter's output.
        drop_path: Rate at which samples do without the adapter in training,
            in the last block; it grows with the number of the block from 0.
        bottleneck: Arguments of :class:`Bottleneck`.
    """
    needs = (SAME_SHAPE, )

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 scale: float = 1.,
                 drop_path: float = 0.,
                 **bottleneck: Any) -> None:
        super().__init__(base, site, scale, **bottleneck)
        self.drop_path = DropPath(site.share_of_depth * drop_path)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        y = self.base(x, *args, **kwargs)
        return torch.add(y, self.drop_path(self.adapter(x)), alpha=self.scale)

    @torch.no_grad()
    def folded(self) -> Dict[str, Tensor]:
        """W + s U D, of a linear layer that keeps the channels."""
        matrix, offset = self.linear()
        weight, bias = self.frozen_linear()
        return dict(weight=weight + matrix, bias=bias + offset)


@MODELS.register_module()
@checked
class SerialAdapter(_BottleneckAdapter):
    """An adapter on top of a module, fed by the module's output (Eq. 9).

    ``adapter(base(x))``; around a block's attention and MLP this is
    z = h + Adapter(MHA(LN h)) and h' = z + Adapter(MLP(LN z)), with
    Adapter(y) = y + up(act(down y)) if ``skip``, else up(act(down y)).

    Args:
        base: The module that is adapted.
        site: Where it stands.
        skip: Whether the adapter has an inner skip connection, which leaves
            the frozen network intact at the start of training.
        scale: Factor s of the bottleneck's output.
        bottleneck: Arguments of :class:`Bottleneck`.
    """
    needs = (GIVES_TOKENS, )

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 skip: bool = True,
                 scale: float = 1.,
                 **bottleneck: Any) -> None:
        super().__init__(base, site, scale, **bottleneck)
        self.skip = skip

    def adapt(self, y: Tensor) -> Tensor:
        """``(B*T, N, C) -> same``."""
        if self.skip:
            return torch.add(y, self.adapter(y), alpha=self.scale)
        return self.scale * self.adapter(y)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        return self.adapt(self.base(x, *args, **kwargs))

    def linear(self) -> Tuple[Tensor, Tensor]:
        """The adapter as one matrix, skip included, and offset."""
        matrix, offset = super().linear()
        if self.skip:
            matrix = matrix + torch.eye(len(matrix)).to(matrix)
        return matrix, offset

    @torch.no_grad()
    def folded(self) -> Dict[str, Tensor]:
        """(I + s U D) W, behind a linear layer."""
        matrix, offset = self.linear()
        weight, bias = self.frozen_linear()
        return dict(weight=matrix @ weight, bias=matrix @ bias + offset)


@MODELS.register_module()
@checked
class PreAdapter(SerialAdapter):
    """An adapter in front of a module: ``base(adapter(x))``.

    The fifth adapter of the paper's SSv2 models, in front of the temporal
    attention (Appendix A); it reads LN h. Arguments as
    :class:`SerialAdapter`.
    """
    needs = (READS_TOKENS, )

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        return self.base(self.adapt(x), *args, **kwargs)

    @torch.no_grad()
    def folded(self) -> Dict[str, Tensor]:
        """W (I + s U D), in front of a linear layer."""
        matrix, offset = self.linear()
        weight, bias = self.frozen_linear()
        return dict(weight=weight @ matrix, bias=weight @ offset + bias)
