"""Augmentation is drawn once for a whole clip."""
import numpy as np
import pytest
import torch
from mmaction.registry import TRANSFORMS


@pytest.mark.parametrize('transform', [
    dict(type='RandAugment', num_ops=2, magnitude=9),
    dict(type='RandomErasing', p=1.0),
    dict(
        type='RandomAffine',
        degrees=(30, 30),
        interpolation='bilinear',
    ),
])
def test_all_frames_alike(transform):
    """Equal frames stay equal, and some draw changes them."""
    image = np.random.default_rng(0).integers(
        0, 256, (24, 24, 3), dtype=np.uint8)
    augment = TRANSFORMS.build(
        dict(type='ClipAugment', transforms=[transform]))
    changed = False
    for seed in range(5):
        torch.manual_seed(seed)
        got = augment.transform(dict(imgs=[image.copy() for _ in range(6)]))
        assert all(np.array_equal(got['imgs'][0], i) for i in got['imgs'])
        assert got['imgs'][0].dtype == np.uint8
        changed |= not np.array_equal(got['imgs'][0], image)
    assert changed


def test_formatting_does_not_copy_the_clip():
    augment, shape = (
        TRANSFORMS.build(cfg) for cfg in (
            dict(type='ClipAugment', transforms=[dict(type='RandAugment')]),
            dict(type='FormatShape', input_format='NCTHW')))
    image = np.zeros((8, 12, 3), np.uint8)
    results = augment(dict(imgs=[image] * 4, num_clips=1, clip_len=4))
    clip = results['imgs']
    assert results['img_shape'] == (8, 12)
    imgs = shape(results)['imgs']
    assert imgs.shape == (1, 3, 4, 8, 12)
    assert np.shares_memory(imgs, clip)


@pytest.mark.parametrize('name', ['NoSuchTransform', 'functional', None])
def test_unknown_transform(name):
    with pytest.raises(ValueError, match='torchvision.transforms.v2'):
        TRANSFORMS.build(
            dict(type='ClipAugment', transforms=[dict(type=name)]))
