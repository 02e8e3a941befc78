from ..sites import Site
from .aim import TemporalAdaptation
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
from .tia import TIA
from .token_shift import TokenShift
from .vpt import VPT, WindowVPT
from .zeroi2v import STDHA

__all__ = [
    'Adapter', 'AttentionAdapter', 'Bottleneck', 'DoRA', 'FrameIndexPositions',
    'FrameMean', 'FramePositions', 'FramesetPositions', 'LoRA', 'Need', 'PATT',
    'ParallelAdapter', 'ParallelSTAdapter', 'PreAdapter', 'PrefixTuning',
    'ProTuning', 'SSF', 'STAdapter', 'STDHA', 'SerialAdapter', 'Site', 'TIA',
    'TemporalAdaptation', 'TemporalAttention', 'TokenShift', 'VPT', 'WindowVPT'
]
