"""GridFrameset in pipelines, and its equality with the data preprocessor."""
import numpy as np
import pytest
import torch
from mmaction.registry import MODELS, TRANSFORMS
from mmaction.structures import ActionDataSample
from mmcv.transforms import Compose

from mmdualpath.framesets import grid_framesets

NORM = dict(mean=[110., 120., 130.], std=[50., 60., 70.])


def results_of(clips: int, clip_len: int, shape=(32, 32, 3)) -> dict:
    rng = np.random.default_rng(0)
    imgs = [
        rng.integers(0, 256, shape, dtype=np.uint8)
        for _ in range(clips * clip_len)
    ]
    return dict(
        imgs=imgs,
        clip_len=clip_len,
        num_clips=clips,
        img_shape=shape[:2],
        label=1)


@pytest.mark.parametrize('crop, views', [('CenterCrop', 2), ('ThreeCrop', 6)])
def test_clips_and_crops_stay_apart(crop, views):
    """2 clips x 1 or 3 crops of 32 frames in a stock pipeline."""
    results = results_of(2, 32, (32, 48, 3))
    pipeline = Compose([
        TRANSFORMS.build(dict(type=crop, crop_size=32)),
        TRANSFORMS.build(dict(type='GridFrameset', grid=4)),
        TRANSFORMS.build(dict(type='FormatShape', input_format='NCTHW')),
        TRANSFORMS.build(dict(type='PackActionInputs'))
    ])
    inputs = pipeline(dict(results))['inputs']
    assert inputs.shape == (views, 3, 2, 32, 32)

    left = (48 - 32) // 2 if crop == 'CenterCrop' else 0
    frames = np.stack(results['imgs'])[32:, :, left:left + 32]  # second clip
    expected = grid_framesets(torch.from_numpy(frames).movedim(-1, 1))
    assert torch.equal(inputs[1].transpose(0, 1), expected)


def test_transform_and_preprocessor_agree():
    """The same inputs, whether the CPU or the device builds framesets."""
    options = dict(grid=(4, 4), num_spatial_frames=8)
    results = results_of(2, 16)
    sample = ActionDataSample()
    preprocessor = MODELS.build(
        dict(
            type='DualPathDataPreprocessor',
            frameset_size=64,
            **options,
            **NORM))

    on_device = Compose([
        TRANSFORMS.build(dict(type='FormatShape', input_format='NCTHW')),
        TRANSFORMS.build(dict(type='PackActionInputs'))
    ])(dict(results))['inputs']
    got = preprocessor(dict(inputs=[on_device], data_samples=[sample]))

    on_cpu = Compose([
        TRANSFORMS.build(dict(type='GridFrameset', size=64, **options)),
        TRANSFORMS.build(
            dict(
                type='PackActionInputs', collect_keys=('spatial', 'temporal')))
    ])(dict(results))['inputs']
    batch = {k: [v] for k, v in on_cpu.items()}
    expected = preprocessor(dict(inputs=batch, data_samples=[sample]))

    assert got['inputs']['spatial'].shape == (1, 2, 8, 3, 32, 32)
    assert got['inputs']['temporal'].shape == (1, 2, 1, 3, 64, 64)
    for path in ('spatial', 'temporal'):
        assert torch.equal(got['inputs'][path], expected['inputs'][path])

    frame = torch.from_numpy(results['imgs'][16 + 2]).movedim(-1, 0)
    mean, std = (torch.tensor(NORM[k]).view(3, 1, 1) for k in ('mean', 'std'))
    torch.testing.assert_close(got['inputs']['spatial'][0, 1, 1],
                               (frame - mean) / std)


def test_frames_of_several_sizes_are_refused():
    results = results_of(1, 16)
    results['imgs'][3] = results['imgs'][3][:-1]
    with pytest.raises(ValueError, match='one size'):
        TRANSFORMS.build(dict(type='GridFrameset')).transform(results)


def test_a_preprocessor_without_paths_is_refused():
    with pytest.raises(ValueError, match='one of its paths'):
        MODELS.build(
            dict(
                type='DualPathDataPreprocessor',
                num_spatial_frames=None,
                grid=None))
