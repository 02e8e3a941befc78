"""Pictures of framesets, attention, predictions and trade-offs."""
from .attention import (AttentionRecorder, attention_maps, recorded, rollout,
                        without_adapters)

__all__ = [
    'AttentionRecorder', 'attention_maps', 'recorded', 'rollout',
    'without_adapters'
]
