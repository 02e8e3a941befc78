"""Pictures of framesets, attention, predictions and trade-offs.

Without MMEngine there is only :mod:`.predictions`.
"""
from importlib.util import find_spec

__all__ = []

if find_spec('mmengine') is not None:
    from .attention import attention_maps  # noqa: F401
    from .attention import (AttentionRecorder, recorded, rollout,
                            without_adapters)
    __all__ += [
        'AttentionRecorder', 'attention_maps', 'recorded', 'rollout',
        'without_adapters'
    ]
