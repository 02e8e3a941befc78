from .base import Adapter, Site
from .bottleneck import Bottleneck, ParallelAdapter, PreAdapter, SerialAdapter
from .frameset_positions import FrameIndexPositions, FramesetPositions
from .pro_tuning import ProTuning
from .st_adapter import ParallelSTAdapter, STAdapter
from .temporal_attention import FramePositions, TemporalAttention
from .token_shift import TokenShift
from .vpt import VPT

__all__ = [
    'Adapter', 'Bottleneck', 'FrameIndexPositions', 'FramePositions',
    'FramesetPositions', 'ParallelAdapter', 'ParallelSTAdapter', 'PreAdapter',
    'ProTuning', 'STAdapter', 'SerialAdapter', 'Site', 'TemporalAttention',
    'TokenShift', 'VPT'
]
