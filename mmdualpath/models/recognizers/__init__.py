from .dualpath import DualPath
from .token_labelling import TokenLabelRecognizer3D

__all__ = ['DualPath', 'TokenLabelRecognizer3D']
