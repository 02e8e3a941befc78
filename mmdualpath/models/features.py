"""What a frozen network knows of images or clips."""
from typing import NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor


class Features(NamedTuple):
    """What :class:`FrozenFeatures` hands out; nothing in it has a gradient.

    A row of the batch is a frame for image networks, the T frames of a clip
    following each other, and a whole clip for video networks. B counts rows.

    Attributes:
        tokens: Of each chosen block, in the order of the network,
            ``(B, N, C)``: what the block puts out; extra tokens come first.
        extra_tokens: How many of the N are no patches, such as a class token
            and registers.
        clips: Whether a row is a clip; its patches are then those of all
            times, the first time first.
        queries: Of the attention of each chosen block, ``(B, H, N, D)``, as
            they are multiplied with the keys, but not scaled; B counts
            windows where attention runs in windows.
        keys: The same of its keys.
        images: What the network read, ``(B, 3, H, W)`` or
            ``(B, 3, T, H, W)``.
    """
    tokens: Tuple[Tensor, ...]
    extra_tokens: int = 0
    clips: bool = False
    queries: Tuple[Tensor, ...] = ()
    keys: Tuple[Tensor, ...] = ()
    images: Optional[Tensor] = None

    def patches(self, index: int = -1) -> Tensor:
        """Tokens of the patches of a block, ``(B, N', C)``."""
        return self.tokens[index][:, self.extra_tokens:]

    def extra(self, index: int = -1) -> Tensor:
        """The extra tokens of a block, ``(B, N'', C)``."""
        return self.tokens[index][:, :self.extra_tokens]


def joined(parts: Sequence[Features]) -> Features:
    """Features of several batches of one network, as of one."""
    tensors = {
        name:
        tuple(
            torch.cat(same) for same in zip(*(getattr(part, name)
                                              for part in parts)))
        for name in ('tokens', 'queries', 'keys')
    }
    return parts[0]._replace(**tensors)
