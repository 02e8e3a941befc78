from .frame_heads import (AttentivePoolingHead, FrameMeanHead,
                          TemporalTransformerHead)
from .mlp_head import MLPHead

__all__ = [
    'AttentivePoolingHead', 'FrameMeanHead', 'MLPHead',
    'TemporalTransformerHead'
]
