from .adapted import AdaptedBackbone, Checkpointed, inject
from .clip_vit import CLIPVisionTransformer
from .dualformer import DualFormer
from .dualpath import DualPathBackbone
from .frozen import FrozenBackbone, share
from .sites import Sites, locate

__all__ = [
    'AdaptedBackbone', 'CLIPVisionTransformer', 'Checkpointed', 'DualFormer',
    'DualPathBackbone', 'FrozenBackbone', 'Sites', 'inject', 'locate', 'share'
]
