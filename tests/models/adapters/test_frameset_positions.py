"""Each token's position, found pixel by pixel."""
import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.models.positions import sincos_nd


def position_table(tiny_clip, kind, num_framesets, grid, size):
    """What the adapter adds to the stem's tokens, ``(T_G, N, C)``."""
    model = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=tiny_clip,
            adapters=[
                dict(
                    type=kind,
                    site='stem',
                    num_framesets=num_framesets,
                    grid=grid)
            ]))
    images = torch.rand(2 * num_framesets, 3, *size)
    stem = model.base.patch_embed
    with torch.no_grad():
        added = stem(images)[0] - stem.base(images)[0]
    first, second = added.chunk(2)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
    return first


@pytest.mark.parametrize(
    'num_framesets, grid, size',
    [
        (1, (2, 2), (32, 32)),
        (2, (4, 4), (32, 32)),
        (3, (2, 4), (32, 64)),
        (1, (4, 4), (56, 56)),  # 14 pixels are 1.75 patches: patches straddle
    ])
def test_time_and_place_of_every_patch(tiny_clip, num_framesets, grid, size):
    table = position_table(tiny_clip, 'FramesetPositions', num_framesets, grid,
                           size)
    patch = 8
    frame_height, frame_width = size[0] / grid[0], size[1] / grid[1]
    expected = []
    for frameset in range(num_framesets):
        for i in range(size[0] // patch):
            for j in range(size[1] // patch):
                cy, cx = (i + 0.5) * patch, (j + 0.5) * patch  # in pixels
                row, column = int(cy // frame_height), int(cx // frame_width)
                time = (frameset * grid[0] + row) * grid[1] + column
                expected.append([
                    time, (cy - row * frame_height) / patch,
                    (cx - column * frame_width) / patch
                ])
    t, y, x = torch.tensor(expected).T
    expected = sincos_nd([t, y, x], 48).unflatten(0, (num_framesets, -1))
    torch.testing.assert_close(table, expected, atol=1e-5, rtol=0)


def test_frame_numbers_of_the_dump(tiny_clip):
    """One sinusoid per frame, constant where patches divide a frame."""
    table = position_table(tiny_clip, 'FrameIndexPositions', 2, (2, 2),
                           (32, 32))
    frames = sincos_nd([torch.arange(8)], 48)
    corners = table.unflatten(1, (4, 4))[:, ::3, ::3].flatten(0, 2)
    torch.testing.assert_close(corners, frames, atol=1e-5, rtol=0)


def test_a_batch_that_is_no_whole_number_of_clips(tiny_clip):
    model = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=tiny_clip,
            adapters=[
                dict(type='FramesetPositions', site='stem', num_framesets=3)
            ]))
    with pytest.raises(ValueError, match='num_framesets=3'):
        model(torch.rand(4, 3, 32, 32))


@pytest.mark.parametrize('num_framesets', [0, -1])
def test_a_clip_has_framesets(tiny_clip, num_framesets):
    with pytest.raises(ValueError, match='at least one'):
        MODELS.build(
            dict(
                type='AdaptedBackbone',
                backbone=tiny_clip,
                adapters=[
                    dict(
                        type='FramesetPositions',
                        site='stem',
                        num_framesets=num_framesets)
                ]))


@pytest.mark.parametrize('kind', ['FramesetPositions', 'FrameIndexPositions'])
def test_a_table_is_computed_once_for_each_size(tiny_clip, monkeypatch, kind):
    model = MODELS.build(
        dict(
            type='AdaptedBackbone',
            backbone=tiny_clip,
            adapters=[dict(type=kind, site='stem', grid=2)]))
    computed = []
    table = type(model.base.patch_embed).table

    def counted(self, height, width, device):
        computed.append((height, width))
        return table(self, height, width, device)

    monkeypatch.setattr(type(model.base.patch_embed), 'table', counted)
    for size in (32, 64, 32, 64):
        for training in (False, True):
            model.train(training)(torch.rand(2, 3, size, size))
    assert computed == [(4, 4), (8, 8)]
