from .hooks import *  # noqa: F401, F403
from .optimizers import TrainableParamsConstructor

__all__ = ['TrainableParamsConstructor']
