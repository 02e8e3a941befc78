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
anew, ``init='trunc_normal'``.
"""
import math

import torch
from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer
from torch import Tensor, nn

from ...options import checked
from ..sites import Site
from .base import SAME_SHAPE, Adapter


def _trunc_normal(bottleneck: nn.Module) -> None:
    for layer in (bottleneck.down, bottleneck.up):
        nn.init.trunc_normal_(layer.weight, std=0.02)


INITS = dict(
    kaiming_normal=lambda b: nn.init.kaiming_normal_(b.down.weight),
    kaiming_uniform=lambda b: nn.init.kaiming_uniform_(
        b.down.weight, a=math.sqrt(5)),
    trunc_normal=_trunc_normal)


class Bottleneck(nn.Module):
    """``up(dropout(act(down x)))``.

    Both biases start at zero, and so does ``up`` unless ``init`` says
    otherwise: a new adapter adds nothing.

    Args:
        dims: Channels C of the tokens.
        width: Channels of the bottleneck.
        act_cfg: Activation between the projections.
        dropout: Dropout rate in the bottleneck.
        init: How ``down`` starts: ``kaiming_normal``, of variance 2 / C;
            ``kaiming_uniform`` with a = sqrt(5), of variance 1 / (3 C); or
            ``trunc_normal``, of standard deviation 0.02, and ``up`` likewise.

    Raises:
        ValueError: If ``width`` is not positive or ``init`` another word.
    """

    @checked
    def __init__(self,
                 dims: int,
                 width: int = 128,
                 act_cfg: dict = dict(type='GELU'),
                 dropout: float = 0.,
                 init: str = 'kaiming_normal') -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f'width={width}: a bottleneck needs at least '
                             'one channel.')
        if init not in INITS:
            raise ValueError(f'init={init!r} is none of {", ".join(INITS)}.')
        self.down = nn.Linear(dims, width)
        self.act = build_activation_layer(act_cfg)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(width, dims)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)
        INITS[init](self)

    def forward(self, x: Tensor) -> Tensor:
        """``(..., C) -> same``."""
        return self.up(self.dropout(self.act(self.down(x))))


class _BottleneckAdapter(Adapter):
    """Holds the bottleneck that the three adapters place differently."""
    needs = (SAME_SHAPE, )

    def __init__(self, base: nn.Module, site: Site, **bottleneck) -> None:
        super().__init__(base, site)
        self.adapter = Bottleneck(site.dims, **bottleneck)


@MODELS.register_module()
class ParallelAdapter(_BottleneckAdapter):
    """An adapter beside a module, fed by the module's own input (Eq. 7).

    ``base(x) + scale * adapter(x)``; around a block's attention and MLP this
    is z = h + MHA(LN h) + Adapter(LN h) and h' = z + MLP(LN z) +
    Adapter(LN z).

    Args:
        base: The module that is adapted.
        site: Where it stands.
        scale: Factor s of the adapter's output.
        bottleneck: Arguments of :class:`Bottleneck`.
    """

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 scale: float = 1.,
                 **bottleneck) -> None:
        super().__init__(base, site, **bottleneck)
        self.scale = scale

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        y = self.base(x, *args, **kwargs)
        return torch.add(y, self.adapter(x), alpha=self.scale)


@MODELS.register_module()
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

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 skip: bool = True,
                 scale: float = 1.,
                 **bottleneck) -> None:
        super().__init__(base, site, **bottleneck)
        self.skip = skip
        self.scale = scale

    def adapt(self, y: Tensor) -> Tensor:
        """``(B*T, N, C) -> same``."""
        if self.skip:
            return torch.add(y, self.adapter(y), alpha=self.scale)
        return self.scale * self.adapter(y)

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        return self.adapt(self.base(x, *args, **kwargs))


@MODELS.register_module()
class PreAdapter(SerialAdapter):
    """An adapter in front of a module: ``base(adapter(x))``.

    The fifth adapter of the paper's SSv2 models, in front of the temporal
    attention (Appendix A); it reads LN h. Arguments as
    :class:`SerialAdapter`.
    """

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        """``(B*T, N, C) -> same``."""
        return self.base(self.adapt(x), *args, **kwargs)
