from .clip_augment import ClipAugment
from .grid_frameset import GridFrameset

__all__ = ['ClipAugment', 'GridFrameset']
