from .hooks import *  # noqa: F401, F403
from .optimizers import GridConstructor, TrainableParamsConstructor

__all__ = ['GridConstructor', 'TrainableParamsConstructor']
