from .attention_picture import AttentionPictureHook
from .bad_videos import BadVideoHook
from .cached_features import CachedFeaturesHook
from .checkpoint import ReliableCheckpointHook
from .compile import CompileHook
from .exact_resume import ExactResumeHook
from .float32_scores import Float32ScoresHook
from .model_report import ModelReportHook
from .shard_frozen import ShardFrozenHook

__all__ = [
    'AttentionPictureHook', 'BadVideoHook', 'CachedFeaturesHook',
    'CompileHook', 'ExactResumeHook', 'Float32ScoresHook', 'ModelReportHook',
    'ReliableCheckpointHook', 'ShardFrozenHook'
]
