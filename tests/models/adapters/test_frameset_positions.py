"""Each token's position, found pixel by pixel."""
import math

import numpy as np
import pytest
import torch
from mmaction.registry import MODELS

from mmdualpath.models.positions import sincos_nd


def build(tiny_clip, **positions):
    positions = {'type': 'FramesetPositions', 'site': 'stem', **positions}
    return MODELS.build(
        dict(type='AdaptedBackbone', backbone=tiny_clip, adapters=[positions]))


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


@pytest.mark.parametrize('num_framesets, grid, size', [
    (1, (4, 4), 64),
    (2, (4, 4), 56),
    (1, (2, 2), 32),
])
def test_frame_numbers_of_the_dump(tiny_clip, num_framesets, grid, size):
    """The map of frame numbers is resized first and encoded then."""
    table = position_table(tiny_clip, 'FrameIndexPositions', num_framesets,
                           grid, (size, size))
    side, rows = size // 8, 4 * grid[0]
    for frameset in range(num_framesets):
        numbers = np.zeros((rows, rows))
        for i in range(rows):
            for j in range(rows):
                frame = i // 4 * grid[1] + j // 4
                numbers[i, j] = frameset * grid[0] * grid[1] + frame
        for n, code in enumerate(table[frameset]):
            # between pixel centres, as bilinear resizing takes it
            y, x = (np.array(divmod(n, side)) + 0.5) * rows / side - 0.5
            number = bilinear(numbers, y, x)
            wave = number / 1e4**(np.arange(0, 48, 2) / 48)
            expected = np.stack((np.sin(wave), np.cos(wave)), 1).ravel()
            np.testing.assert_allclose(code, expected, atol=1e-5)


def bilinear(values, y, x):
    last = len(values) - 1
    (top, down), (left, right) = ((min(max(math.floor(v), 0), last),
                                   min(max(math.floor(v) + 1, 0), last))
                                  for v in (y, x))
    a, b = y - math.floor(y), x - math.floor(x)
    return ((1 - a) * ((1 - b) * values[top, left] + b * values[top, right]) +
            a * ((1 - b) * values[down, left] + b * values[down, right]))


@pytest.mark.parametrize('kind', ['FramesetPositions', 'FrameIndexPositions'])
def test_the_class_token_is_number_0(tiny_clip, kind):
    """Behind the positions it has a code as well, and frames count from 1."""
    model = build(tiny_clip, type=kind, site='tokens', grid=2)
    tokens = torch.randn(2, 17, 48)
    added = model.base.drop_after_pos(tokens) - tokens
    wave = np.zeros(24)
    if kind == 'FrameIndexPositions':
        first = np.stack((np.sin(wave), np.cos(wave)), 1).ravel()
    else:
        first = sincos_nd([torch.zeros(1)] * 3, 48)[0].numpy()
    np.testing.assert_allclose(added[0, 0], first, atol=1e-6)
    one = build(tiny_clip, type=kind, site='stem', grid=2)
    patches = one.base.patch_embed(torch.zeros(1, 3, 32, 32))[0]
    bare = one.base.patch_embed.base(torch.zeros(1, 3, 32, 32))[0]
    numbers = (added[0, 1:], (patches - bare)[0])
    # the slowest wave of time, near enough a straight line
    slow = 46 if kind == 'FrameIndexPositions' else 7
    times = [v[:, slow].asin() for v in numbers]
    torch.testing.assert_close(
        (times[0] - times[1]) / (times[1].max() / 3),
        torch.ones(16),
        atol=1e-2,
        rtol=0)


def test_amplitude_matches_the_tokens(tiny_clip):
    model = build(tiny_clip, amplitude='match')
    images = torch.randn(4, 3, 32, 32)
    bare, size = model.base.patch_embed.base(images)
    table = build(tiny_clip).base.patch_embed.table(*size, 'cpu')
    expected = bare.std() / table.std()
    added = model.base.patch_embed(images)[0] - bare
    torch.testing.assert_close(added, (expected * table).expand(4, -1, -1))
    # measured once: other images change nothing, nor does a checkpoint
    model(7 * images)
    torch.testing.assert_close(model.base.patch_embed.amplitude, expected)
    other = build(tiny_clip, amplitude='match')
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other(9 * images), model(9 * images))
    torch.testing.assert_close(other.base.patch_embed.amplitude, expected)
    # one that was saved before is measured yet
    early = build(tiny_clip, amplitude='match')
    late = build(tiny_clip, amplitude='match')
    late.load_state_dict(early.state_dict())
    late(images)
    torch.testing.assert_close(late.base.patch_embed.amplitude, expected)


def test_amplitude_learns(tiny_clip):
    model = build(tiny_clip, amplitude='learn')
    assert 'base.patch_embed.amplitude' in model.state_dict()
    model(torch.randn(1, 3, 32, 32)).sum().backward()
    assert model.base.patch_embed.amplitude.grad.abs() > 0


def test_amplitude_is_a_factor(tiny_clip):
    images = torch.randn(1, 3, 32, 32)
    stems = [build(tiny_clip, amplitude=a).base.patch_embed for a in (1, 2.5)]
    one, more = ((s(images)[0] - s.base(images)[0]) for s in stems)
    torch.testing.assert_close(more, 2.5 * one)
    with pytest.raises(ValueError, match="amplitude='loud'.*'match'"):
        build(tiny_clip, amplitude='loud')


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
