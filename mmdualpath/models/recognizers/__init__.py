from .dualpath import DualPath

__all__ = ['DualPath']
