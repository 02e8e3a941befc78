from .clip_augment import ClipAugment
from .grid_frameset import GridFrameset
from .reorder import ReorderFrames
from .video import VideoDecode, VideoInit

__all__ = [
    'ClipAugment', 'GridFrameset', 'ReorderFrames', 'VideoDecode', 'VideoInit'
]
