"""Faster kernels against torchvision's own."""
import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from mmdualpath.augmentation import Clip, build_augmentation

OPERATIONS = {
    'sharper':
    lambda x: F.adjust_sharpness(x, 1.7),
    'softer':
    lambda x: F.adjust_sharpness(x, 0.2),
    'brighter':
    lambda x: F.adjust_brightness(x, 1.4),
    'darker':
    lambda x: F.adjust_brightness(x, 0.3),
    'solarized':
    lambda x: F.solarize(x, 100.),
    'turned':
    lambda x: F.rotate(x, 17.),
    'turned and kept':
    lambda x: F.rotate(x, 30., expand=True),
    'turned by quarters':
    lambda x: F.rotate(x, 90.),
    'turned, filled':
    lambda x: F.rotate(x, 17., fill=[9., 8., 7.]),
    'turned, smooth':
    lambda x: F.rotate(x, 17., interpolation=v2.InterpolationMode.BILINEAR),
    'sheared':
    lambda x: F.affine(x, 0., [0, 0], 1., [12., 0.], center=[0, 0]),
    'moved':
    lambda x: F.affine(x, 0., [5, -3], 1., [0., 0.]),
    'scaled':
    lambda x: F.affine(x, 10., [0, 0], 1.4, [0., 5.]),
}


@pytest.mark.parametrize('name', OPERATIONS)
@pytest.mark.parametrize('size', [(40, 56), (33, 33), (2, 5)])
def test_the_same_result(name, size):
    video = torch.randint(0, 256, (4, 3, *size), dtype=torch.uint8)
    before = video.clone()
    operation = OPERATIONS[name]
    got = operation(Clip(video))
    assert type(got) is Clip
    assert torch.equal(
        got.as_subclass(torch.Tensor),
        operation(tv_tensors.Video(video)).as_subclass(torch.Tensor))
    assert torch.equal(video, before)
    # other layouts and types go torchvision's way
    turned = operation(Clip(video.transpose(-1, -2)))
    assert torch.equal(
        turned.as_subclass(torch.Tensor),
        operation(video.transpose(-1, -2).contiguous()))


def test_transforms_inside_others():
    """Each with a probability of its own, drawn as torchvision draws it."""
    rotate = dict(type='RandomRotation', degrees=20)
    augment = build_augmentation(
        2 * [dict(type='RandomApply', p=0.5, transforms=[rotate])])
    expected = v2.Compose([
        v2.RandomApply([v2.RandomRotation(20)], p=0.5),
        v2.RandomApply([v2.RandomRotation(20)], p=0.5)
    ])
    video = tv_tensors.Video(
        torch.randint(0, 256, (2, 3, 20, 20), dtype=torch.uint8))
    same = 0
    for seed in range(40):
        results = []
        for transform in (augment, expected):
            torch.manual_seed(seed)
            results.append(transform(video))
        assert torch.equal(*results)
        same += torch.equal(results[0], video)
    assert 3 < same < 20  # a quarter of them
    with pytest.raises(ValueError, match="'RandomRotate' is no transform"):
        build_augmentation(
            [dict(type='RandomApply', transforms=[dict(type='RandomRotate')])])


def test_whole_recipes():
    """Every operation of RandAugment, and what else a recipe holds."""
    augment = build_augmentation([
        dict(type='RandAugment', num_ops=3, magnitude=12),
        dict(type='RandomErasing', p=0.5)
    ])
    video = torch.randint(0, 256, (4, 3, 30, 40), dtype=torch.uint8)
    for seed in range(60):
        results = []
        for kind in (Clip, tv_tensors.Video):
            torch.manual_seed(seed)
            results.append(augment(kind(video)).as_subclass(torch.Tensor))
        assert torch.equal(*results), seed
