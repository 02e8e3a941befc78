"""What travels to the device, and what is made of it there."""
import torch
from mmaction.registry import MODELS
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class Journeys(TorchDispatchMode):
    """Notes every tensor that goes from the CPU to the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and out.is_meta and not any(
                isinstance(a, Tensor) and a.is_meta for a in args):
            self.seen += [a for a in args if isinstance(a, Tensor)]
        return out


def test_frames_travel_once_as_bytes():
    """Both inputs are built there; the CPU sends T frames a clip."""
    preprocessor = MODELS.build(
        dict(
            type='DualPathDataPreprocessor',
            num_spatial_frames=4,
            grid=(4, 4),
            mean=[1., 2., 3.],
            std=[4., 5., 6.])).to('meta')
    clips = [
        torch.zeros(3, 3, 32, 64, 64, dtype=torch.uint8) for _ in range(2)
    ]
    with Journeys() as journeys:
        data = preprocessor(dict(inputs=clips, data_samples=[]))
    assert list(map(id, journeys.seen)) == list(map(id, clips))
    views = data['inputs']
    assert views['spatial'].shape == (2, 3, 4, 3, 64, 64)
    assert views['temporal'].shape == (2, 3, 2, 3, 64, 64)
    assert all(v.is_meta and v.dtype == torch.float32 for v in views.values())
