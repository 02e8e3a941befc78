from ..sites import Site
from .attention import AttentionAdapter
from .base import Adapter, Need
from .bottleneck import Bottleneck, ParallelAdapter, PreAdapter, SerialAdapter
from .frameset_positions import FrameIndexPositions, FramesetPositions
from .lora import DoRA, LoRA
from .patt import PATT
from .prefix import PrefixTuning
from .pro_tuning import ProTuning
from .ssf import SSF
from .st_adapter import FrameMean, ParallelSTAdapter, STAdapter
from .temporal_attention import FramePositions, TemporalAttention
from .token_shift import TokenShift
from .vpt import VPT, WindowVPT

__all__ = [
    'Adapter', 'AttentionAdapter', 'Bottleneck', 'DoRA', 'FrameIndexPositions',
    'FrameMean', 'FramePositions', 'FramesetPositions', 'Need', 'PATT', 'LoRA',
    'ParallelAdapter', 'ParallelSTAdapter', 'PreAdapter', 'PrefixTuning',
    'ProTuning', 'SSF', 'STAdapter', 'SerialAdapter', 'Site',
    'TemporalAttention', 'TokenShift', 'VPT', 'WindowVPT'
]
