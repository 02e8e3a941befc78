from .adapted import AdaptedBackbone
from .clip_vit import CLIPVisionTransformer
from .dualformer import DualFormer
from .dualpath import DualPathBackbone, views_of
from .features import FrozenFeatures
from .fingerprint import Fingerprint
from .frozen import FrozenBackbone, share
from .inject import fold, inject, strip
from .timm import TimmBackbone
from .transformers import TransformersBackbone

__all__ = [
    'AdaptedBackbone', 'CLIPVisionTransformer', 'DualFormer',
    'DualPathBackbone', 'Fingerprint', 'FrozenBackbone', 'FrozenFeatures',
    'TimmBackbone', 'TransformersBackbone', 'fold', 'inject', 'share', 'strip',
    'views_of'
]
