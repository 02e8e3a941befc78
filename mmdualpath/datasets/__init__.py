"""Videos, features and their transforms.

Without MMEngine there is only :mod:`.reader`, which needs PyAV alone.
"""
from importlib.util import find_spec

if find_spec('mmengine') is not None:
    from .bad_videos import BadVideoReport  # noqa: F401
    from .feature_cache import FeatureDataset  # noqa: F401
    from .sampler import BalancedSampler, ResumableSampler  # noqa: F401
    from .svhn import SVHN  # noqa: F401
    from .transforms import *  # noqa: F401, F403
    from .video_dataset import ReliableVideoDataset  # noqa: F401
