"""The classifier of DualPath: two FC layers with a GELU between them.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023,
Sec. 4.2. https://arxiv.org/abs/2303.09857
"""
from typing import Any, Optional

from mmaction.registry import MODELS
from torch import Tensor, nn

from ...options import checked
from ..complete import require_complete
from ..shapes import check_channels
from .base import ClipHead


@MODELS.register_module()
@checked
class MLPHead(ClipHead):
    """FC, GELU, FC.

    Args:
        num_classes: Number of classes.
        in_channels: Channels of the features, 2p for two paths of p.
        hidden_channels: Channels between the layers. Defaults to half of
            ``in_channels``.
        dropout: Dropout rate in front of the last layer.
        init_cfg: Initialisation of the layers.
        kwargs: Further arguments of MMAction2's ``BaseHead``.

    Raises:
        ValueError: If a number of channels or classes is not positive.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 hidden_channels: Optional[int] = None,
                 dropout: float = 0.,
                 init_cfg: dict = dict(
                     type='TruncNormal', layer='Linear', std=0.02),
                 **kwargs: Any) -> None:
        if min(num_classes, in_channels, hidden_channels or 1) < 1:
            raise ValueError(
                f'num_classes={num_classes}, in_channels={in_channels} and '
                f'hidden_channels={hidden_channels} must be positive.')
        super().__init__(num_classes, in_channels, init_cfg=init_cfg, **kwargs)
        hidden_channels = hidden_channels or in_channels // 2
        self.layers = nn.Sequential(
            nn.Linear(in_channels, hidden_channels), nn.GELU(),
            nn.Dropout(dropout), nn.Linear(hidden_channels, num_classes))
        require_complete(self)

    def forward(self, x: Tensor, **kwargs) -> Tensor:
        """``(B, in_channels) -> (B, num_classes)``.

        Raises:
            ValueError: If the features have other channels.
        """
        check_channels(self, x)
        return self.layers(x)
