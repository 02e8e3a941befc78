"""Adapters of tokens in front of the first block."""
from typing import Any, Optional, Tuple

from torch import Tensor

from .base import FRAMES, Adapter


class StemAdapter(Adapter):
    """Changes the patch tokens that the stem puts out.

    A subclass says by :meth:`adapt` how; the form in which a backbone's stem
    gives them stays as it is. If it may stand at ``tokens`` as well, it
    changes all tokens there.
    """
    sites: Tuple[str, ...] = ('stem', )
    needs = (FRAMES, )

    def adapt(self, tokens: Tensor, size: Optional[Tuple[int, int]]) -> Tensor:
        """``(B*T, N, C)`` -> same; patches are a map of ``size``."""
        raise NotImplementedError

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Frames ``(B*T, 3, H, W)`` -> what the stem itself gives."""
        out = self.base(x, *args, **kwargs)
        if self.site.name == 'tokens':
            return self.adapt(out, None)
        tokens, size = self.site.stem.unpack(out)
        return self.site.stem.pack(self.adapt(tokens, size), out)
