"""Networks of other libraries as backbones, with their own names."""
from functools import lru_cache
from typing import Optional, Tuple

from torch import Tensor, nn

from ..weights import load_pretrained


class LibraryBackbone(nn.Module):
    """An object that becomes a network of another library.

    Afterwards it is an instance of both classes, and has the network's own
    modules and names of parameters, without a level in between.

    Attributes:
        init_cfg: ``dict(type='Pretrained', checkpoint=...)``, read by
            ``init_weights`` where no adapters are.
        input_size: Height and width of images, if there is only one.
    """
    init_cfg: Optional[dict] = None
    input_size: Optional[Tuple[int, int]] = None

    def become(self, model: nn.Module) -> None:
        """Take everything over from a network.

        Args:
            model: A network of the library.
        """
        self.__dict__ = model.__dict__
        self.__class__ = _both(type(self), type(model))

    def init_weights(self) -> None:
        """Read the file that ``init_cfg`` names, if any.

        Raises:
            ValueError: If ``init_cfg`` is of another type.
        """
        init_cfg = dict(self.init_cfg or {})
        kind = init_cfg.pop('type', None)
        if kind == 'Pretrained':
            load_pretrained(self, **init_cfg)
        elif kind is not None:
            raise ValueError(f'init_cfg={self.init_cfg}: {type(self).__name__}'
                             " takes dict(type='Pretrained', "
                             'checkpoint=...).')

    def check_size(self, x: Tensor) -> None:
        """Refuse images ``(N, 3, ..., H, W)`` of a size it does not take.

        Raises:
            ValueError: If they are of one.
        """
        if self.input_size not in (None, tuple(x.shape[-2:])):
            raise ValueError(
                f'{type(self).__name__} is built for images of '
                f'{self.input_size} pixels, given {tuple(x.shape[-2:])}: '
                'resize them, or build it for these.')


@lru_cache(maxsize=None)
def _both(own: type, kind: type) -> type:
    """A class of the library that gives features, of the same name."""
    return type(
        kind.__name__, (own, kind),
        dict(__qualname__=kind.__qualname__, __module__=kind.__module__))
