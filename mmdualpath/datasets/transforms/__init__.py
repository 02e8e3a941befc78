from .clip_augment import ClipAugment
from .grid_frameset import GridFrameset
from .video import VideoDecode, VideoInit

__all__ = ['ClipAugment', 'GridFrameset', 'VideoDecode', 'VideoInit']
