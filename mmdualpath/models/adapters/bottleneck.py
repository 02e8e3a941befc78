"""Bottleneck adapters, parallel, serial and in front of a module.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023.
https://arxiv.org/abs/2303.09857
The bottleneck is that of Parameter-Efficient Transfer Learning for NLP
(Houlsby et al., ICML 2019), initialised as in AdaptFormer (NeurIPS 2022).
Departures: Eq. 9 taken literally turns a freshly initialised temporal block
into the identity; ``skip=True``, the default, keeps the frozen block instead.
"""
import torch
from mmaction.registry import MODELS
from mmcv.cnn import build_activation_layer
from torch import Tensor, nn

from ...options import checked
from ..sites import Site
from .base import SAME_SHAPE, Adapter


class Bottleneck(nn.Module):
    """``up(dropout(act(down x)))``.

    ``down`` is initialised Kaiming-normal, ``up`` and both biases with zero,
    so that a new adapter adds nothing.

    Args:
        dims: Channels C of the tokens.
        width: Channels of the bottleneck.
        act_cfg: Activation between the projections.
        dropout: Dropout rate in the bottleneck.

    Raises:
        ValueError: If ``width`` is not positive.
    """

    @checked
    def __init__(self,
                 dims: int,
                 width: int = 128,
                 act_cfg: dict = dict(type='GELU'),
                 dropout: float = 0.) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f'width={width}: a bottleneck needs at least '
                             'one channel.')
        self.down = nn.Linear(dims, width)
        self.act = build_activation_layer(act_cfg)
        self.dropout = nn.Dropout(dropout)
        self.up = nn.Linear(width, dims)
        nn.init.kaiming_normal_(self.down.weight)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)

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
