from .attentive_probe import AttentiveProbe
from .clip_head import ClipMeanHead
from .evl import EVLDecoder
from .frame_heads import (AttentivePoolingHead, FrameMeanHead,
                          TemporalTransformerHead)
from .grid import HeadGrid
from .mlp_head import MLPHead
from .side4video import SideNetwork
from .token_label_head import TokenLabelHead

__all__ = [
    'AttentivePoolingHead', 'AttentiveProbe', 'ClipMeanHead', 'EVLDecoder',
    'FrameMeanHead', 'HeadGrid', 'MLPHead', 'SideNetwork',
    'TemporalTransformerHead', 'TokenLabelHead'
]
