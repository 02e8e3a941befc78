from .clip_head import ClipMeanHead
from .frame_heads import (AttentivePoolingHead, FrameMeanHead,
                          TemporalTransformerHead)
from .mlp_head import MLPHead
from .token_label_head import TokenLabelHead

__all__ = [
    'AttentivePoolingHead', 'ClipMeanHead', 'FrameMeanHead', 'MLPHead',
    'TemporalTransformerHead', 'TokenLabelHead'
]
