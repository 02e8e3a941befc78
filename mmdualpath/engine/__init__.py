from .optimizers import TrainableParamsConstructor

__all__ = ['TrainableParamsConstructor']
