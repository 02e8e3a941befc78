"""Pictures of framesets and attention. Nothing else imports this package."""
from .attention import (AttentionRecorder, attention_maps, attention_weights,
                        recorded, rollout, views_of, without_adapters)

__all__ = [
    'AttentionRecorder', 'attention_maps', 'attention_weights', 'recorded',
    'rollout', 'views_of', 'without_adapters'
]
