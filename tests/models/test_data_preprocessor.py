"""What travels to the device, and what is made of it there."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS, TRANSFORMS
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


def preprocessor_of(**options):
    return MODELS.build(
        dict(
            type='DualPathDataPreprocessor',
            num_spatial_frames=4,
            mean=[1., 2., 3.],
            std=[4., 5., 6.],
            **options))


@pytest.mark.parametrize('device', [
    'cpu',
    pytest.param(
        'cuda',
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
        ])
])
def test_augmentation_on_the_device(device):
    """Each clip as ``ClipAugment`` makes it with the same draws."""
    transforms = [
        dict(type='RandAugment', num_ops=2, magnitude=9),
        dict(type='RandomErasing', p=0.5)
    ]
    clips = [
        torch.randint(0, 256, (2, 3, 16, 32, 32), dtype=torch.uint8)
        for _ in range(6)
    ]
    torch.manual_seed(3)
    augment = TRANSFORMS.build(dict(type='ClipAugment', transforms=transforms))
    expected = []
    for clip in clips:
        done = [
            augment.transform(
                dict(imgs=list(view.permute(1, 2, 3, 0).numpy())))
            for view in clip
        ]
        expected.append(
            torch.from_numpy(np.stack([d['imgs']
                                       for d in done])).permute(0, 4, 1, 2, 3))
    assert any(not torch.equal(a, b) for a, b in zip(clips, expected))
    data = preprocessor_of().to(device)(
        dict(inputs=expected, data_samples=[]), training=True)
    torch.manual_seed(3)
    preprocessor = preprocessor_of(augment=transforms).to(device)
    got = preprocessor(dict(inputs=clips, data_samples=[]), training=True)
    tolerance = 0 if device == 'cpu' else 0.26  # one level of brightness
    for name, view in got['inputs'].items():
        assert view.device.type == device
        close = (view - data['inputs'][name]).abs() <= tolerance
        assert close.float().mean() > 0.999
    plain = preprocessor(dict(inputs=clips, data_samples=[]), training=False)
    unchanged = preprocessor_of().to(device)(
        dict(inputs=clips, data_samples=[]), training=False)
    for name, view in plain['inputs'].items():
        assert torch.equal(view, unchanged['inputs'][name])


def test_what_is_split_is_not_augmented():
    split = dict(
        spatial=[torch.zeros(1, 4, 3, 32, 32)],
        temporal=[torch.zeros(1, 1, 3, 32, 32)])
    with pytest.raises(ValueError, match='augment need whole clips'):
        preprocessor_of(augment=[dict(type='RandAugment')])(
            dict(inputs=split, data_samples=[]), training=True)
    with pytest.raises(ValueError, match="type='NoSuch'"):
        preprocessor_of(augment=[dict(type='NoSuch')])
