from .attention_picture import AttentionPictureHook
from .bad_videos import BadVideoHook
from .checkpoint import ReliableCheckpointHook
from .exact_resume import ExactResumeHook

__all__ = [
    'AttentionPictureHook', 'BadVideoHook', 'ExactResumeHook',
    'ReliableCheckpointHook'
]
