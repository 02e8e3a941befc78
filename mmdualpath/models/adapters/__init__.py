from ..sites import Site
from .attention import AttentionAdapter
from .base import Adapter, Need
from .bottleneck import Bottleneck, ParallelAdapter, PreAdapter, SerialAdapter
from .frameset_positions import FrameIndexPositions, FramesetPositions
from .patt import PATT
from .prefix import PrefixTuning
from .pro_tuning import ProTuning
from .st_adapter import FrameMean, ParallelSTAdapter, STAdapter
from .temporal_attention import FramePositions, TemporalAttention
from .token_shift import TokenShift
from .vpt import VPT, WindowVPT

__all__ = [
    'Adapter', 'AttentionAdapter', 'Bottleneck', 'FrameIndexPositions',
    'FrameMean', 'FramePositions', 'FramesetPositions', 'Need', 'PATT',
    'ParallelAdapter', 'ParallelSTAdapter', 'PreAdapter', 'PrefixTuning',
    'ProTuning', 'STAdapter', 'SerialAdapter', 'Site', 'TemporalAttention',
    'TokenShift', 'VPT', 'WindowVPT'
]
