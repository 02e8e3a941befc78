from .base import Adapter, Site
from .bottleneck import Bottleneck, ParallelAdapter, PreAdapter, SerialAdapter
from .frameset_positions import FrameIndexPositions, FramesetPositions

__all__ = [
    'Adapter', 'Bottleneck', 'FrameIndexPositions', 'FramesetPositions',
    'ParallelAdapter', 'PreAdapter', 'SerialAdapter', 'Site'
]
