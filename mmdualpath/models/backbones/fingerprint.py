"""What identifies the frozen tensors that a checkpoint leaves out."""
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Mapping

import torch
from torch import Tensor

RANDOM = 'random'  # the format of weights that nobody published


@dataclass(frozen=True)
class Fingerprint:
    """Identity of a set of named tensors.

    Attributes:
        sha256: Of all names and values; empty where nobody recorded it.
        format: Published format of the file they came from.
        name: Name of the file.
    """
    sha256: str
    format: str = 'unknown'
    name: str = 'unknown'

    @classmethod
    def of(cls, digests: Mapping[str, str], **source: str) -> 'Fingerprint':
        """That of tensors whose digests are known by name.

        Args:
            digests: See :func:`digest`.
            source: ``format`` and ``name`` of the file.
        """
        whole = json.dumps(sorted(digests.items())).encode()
        return cls(hashlib.sha256(whole).hexdigest(), **source)

    @classmethod
    def decode(cls, tensor: Tensor) -> 'Fingerprint':
        """The inverse of :meth:`encode`."""
        return cls(**json.loads(bytes(tensor.tolist())))

    def encode(self) -> Tensor:
        """As bytes, uint8: every loader carries tensors along."""
        return torch.tensor(
            list(json.dumps(asdict(self)).encode()), dtype=torch.uint8)

    @property
    def known(self) -> bool:
        """Whether the tensors themselves are identified."""
        return bool(self.sha256)

    def fits(self, other: 'Fingerprint') -> bool:
        """Whether both are of the same tensors, whatever file they are in.

        Where nobody recorded them, anything but random weights may be.
        """
        if not self.known:
            return other.format != RANDOM
        return self.sha256 == other.sha256

    def __str__(self) -> str:
        return (f'{self.format} weights {self.name!r} '
                f'(sha256 {self.sha256[:12] or "unknown"})')


def digest(tensor: Tensor) -> str:
    """SHA-256 of a tensor's values."""
    values = tensor.detach().cpu().contiguous().flatten()
    return hashlib.sha256(values.view(torch.uint8).numpy()).hexdigest()
