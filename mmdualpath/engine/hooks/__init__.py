from .attention_picture import AttentionPictureHook
from .bad_videos import BadVideoHook
from .checkpoint import ReliableCheckpointHook
from .exact_resume import ExactResumeHook
from .model_report import ModelReportHook

__all__ = [
    'AttentionPictureHook', 'BadVideoHook', 'ExactResumeHook',
    'ModelReportHook', 'ReliableCheckpointHook'
]
