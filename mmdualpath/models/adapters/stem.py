"""Adapters of the stem, where patches become tokens."""
from typing import Any, Tuple

from torch import Tensor

from .base import FRAMES, Adapter


class StemAdapter(Adapter):
    """Changes the patch tokens that the stem puts out.

    A subclass says by :meth:`adapt` how; the form in which a backbone's stem
    gives them stays as it is.
    """
    sites: Tuple[str, ...] = ('stem', )
    needs = (FRAMES, )

    def adapt(self, tokens: Tensor, size: Tuple[int, int]) -> Tensor:
        """Patch tokens ``(B*T, N, C)``, a map of ``size`` -> same."""
        raise NotImplementedError

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Frames ``(B*T, 3, H, W)`` -> what the stem itself gives."""
        out = self.base(x, *args, **kwargs)
        tokens, size = self.site.stem.unpack(out)
        return self.site.stem.pack(self.adapt(tokens, size), out)
