from .hooks import AttentionPictureHook
from .optimizers import TrainableParamsConstructor

__all__ = ['AttentionPictureHook', 'TrainableParamsConstructor']
