from .inflate import inflate
from .loading import load_pretrained, read_checkpoint

__all__ = ['inflate', 'load_pretrained', 'read_checkpoint']
