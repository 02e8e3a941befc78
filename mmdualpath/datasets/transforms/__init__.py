from .clip_augment import ClipAugment
from .frame_order import FrameOrder
from .grid_frameset import GridFrameset
from .video import VideoDecode, VideoInit

__all__ = [
    'ClipAugment', 'FrameOrder', 'GridFrameset', 'VideoDecode', 'VideoInit'
]
