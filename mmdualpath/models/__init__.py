import mmaction.models  # noqa: F401
import mmpretrain.models  # noqa: F401

from .adapters import *  # noqa: F401, F403
from .backbones import *  # noqa: F401, F403
from .data_preprocessor import DualPathDataPreprocessor  # noqa: F401
from .heads import *  # noqa: F401, F403
from .losses import LogitAdjustedLoss  # noqa: F401
from .recognizers import *  # noqa: F401, F403
