from .formats import FORMATS, convert
from .loading import load_pretrained
from .reading import read_checkpoint, read_file
from .writing import write_checkpoint

__all__ = [
    'FORMATS', 'convert', 'load_pretrained', 'read_checkpoint', 'read_file',
    'write_checkpoint'
]
