from .formats import FORMATS, TRAINED, convert, convert_trained
from .loading import computed_buffers, load_pretrained
from .reading import read_checkpoint, read_file
from .writing import write_checkpoint

__all__ = [
    'FORMATS', 'TRAINED', 'computed_buffers', 'convert', 'convert_trained',
    'load_pretrained', 'read_checkpoint', 'read_file', 'write_checkpoint'
]
