"""From videos to a trained model: what ``tools/fit.py`` does."""
from .backbones import find_backbone
from .fitting import STAGES, fit

__all__ = ['STAGES', 'find_backbone', 'fit']
