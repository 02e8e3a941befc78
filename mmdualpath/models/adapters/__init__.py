from .attention import AttentionAdapter
from .base import Adapter, Site
from .bottleneck import Bottleneck, ParallelAdapter, PreAdapter, SerialAdapter
from .frameset_positions import FrameIndexPositions, FramesetPositions
from .patt import PATT
from .prefix import PrefixTuning

__all__ = [
    'Adapter', 'AttentionAdapter', 'Bottleneck', 'FrameIndexPositions',
    'FramesetPositions', 'PATT', 'ParallelAdapter', 'PreAdapter',
    'PrefixTuning', 'SerialAdapter', 'Site'
]
