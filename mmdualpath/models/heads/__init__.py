from .frame_heads import (AttentivePoolingHead, FrameMeanHead,
                          TemporalTransformerHead)
from .mlp_head import MLPHead
from .token_label_head import TokenLabelHead

__all__ = [
    'AttentivePoolingHead', 'FrameMeanHead', 'MLPHead',
    'TemporalTransformerHead', 'TokenLabelHead'
]
