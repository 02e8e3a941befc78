from .loading import load_pretrained, read_checkpoint

__all__ = ['load_pretrained', 'read_checkpoint']
