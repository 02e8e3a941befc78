"""The frameset, compared with PIL-free arithmetic written out by hand."""
import pytest
import torch
import torch.nn.functional as F
from devices import on_each_device
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdualpath.framesets import (cut_framesets, grid_framesets,
                                  spatial_indices, to_pair)


def frameset_by_hand(frames, rows, columns, height, width):
    """One frameset, cell by cell, from ``(rows*columns, C, H, W)``."""
    h, w = height // rows, width // columns
    sheet = torch.zeros(frames.shape[1], height, width)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        cell = F.interpolate(
            frame[None].float(), (h, w), mode='bilinear', antialias=True)[0]
        sheet[:, row * h:(row + 1) * h, column * w:(column + 1) * w] = cell
    return sheet


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    framesets=st.integers(1, 3),
    cell=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    frame=st.tuples(st.integers(4, 24), st.integers(4, 24)),
    clips=st.integers(1, 2))
def test_layout_is_row_major_in_time(rows, columns, framesets, cell, frame,
                                     clips):
    frames = torch.rand(clips, framesets * rows * columns, 3, *frame)
    size = (rows * cell[0], columns * cell[1])
    got = grid_framesets(frames, (rows, columns), size)
    assert got.shape == (clips, framesets, 3, *size)
    for clip in range(clips):
        for number, part in enumerate(frames[clip].split(rows * columns)):
            torch.testing.assert_close(
                got[clip, number], frameset_by_hand(part, rows, columns,
                                                    *size))


@pytest.mark.parametrize('grid', [2, 4, 8])
@pytest.mark.parametrize('size', [224, 448, 896])
def test_sizes_of_the_paper(grid, size):
    frames = torch.zeros(64, 1, 224, 224, dtype=torch.uint8)
    frames[grid + 1] = 255  # second frame of the second row
    got = grid_framesets(frames, grid, size)
    assert got.shape == (64 // grid**2, 1, size, size)
    cell = size // grid
    assert got[0, 0, cell:2 * cell, cell:2 * cell].min() == 255
    assert got.sum() == 255 * cell**2


def test_frames_do_not_bleed_into_each_other():
    frames = torch.zeros(16, 1, 64, 64, dtype=torch.uint8)
    frames[5] = 200
    sheet = grid_framesets(frames, 4)[0, 0]
    assert sorted(sheet.unique().tolist()) == [0, 200]


def test_uint8_is_rounded_float():
    frames = torch.randint(0, 256, (4, 3, 9, 7), dtype=torch.uint8)
    got = grid_framesets(frames, 2, (8, 6))
    exact = frameset_by_hand(frames, 2, 2, 8, 6)
    assert got.dtype == torch.uint8
    assert torch.equal(got[0].float(), exact.round().clamp(0, 255))


@on_each_device
@pytest.mark.parametrize('size', [32, 64, (16, 48)])
def test_the_same_on_each_device(device, size):
    frames = torch.randint(0, 256, (16, 3, 32, 48), dtype=torch.uint8)
    height, width = to_pair(size, 'size')
    exact = frameset_by_hand(frames, 4, 4, height, width)
    got = grid_framesets(frames.float().to(device), 4, size)
    assert got.device.type == device
    torch.testing.assert_close(got[0].cpu(), exact, rtol=0, atol=1e-3)
    # A value halfway between two levels may become either.
    levels = grid_framesets(frames.to(device), 4, size)[0].cpu().float()
    assert (levels - exact).abs().max() < 0.501


@pytest.mark.parametrize('num_frames, grid, size, message', [
    (15, 4, None, 'multiple of 16'),
    (16, 4, 30, 'does not divide'),
    (16, (4, 0), None, 'positive integer'),
    (16, (2, 2, 2), None, 'positive integer'),
])
def test_what_does_not_fit(num_frames, grid, size, message):
    with pytest.raises(ValueError, match=message):
        grid_framesets(torch.zeros(num_frames, 3, 32, 32), grid, size)


def test_spatial_frames_are_every_so_many():
    assert spatial_indices(16, 8) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert spatial_indices(48, 8) == [0, 6, 12, 18, 24, 30, 36, 42]
    assert spatial_indices(4, [0, 3]) == [0, 3]


@pytest.mark.parametrize('frames', [0, 3, 12, [], [16]])
def test_spatial_frames_that_are_not_a_subset(frames):
    with pytest.raises(ValueError, match='num_spatial_frames'):
        spatial_indices(16, frames)


def test_pair():
    assert to_pair(3, 'x') == (3, 3) and to_pair([2, 5], 'x') == (2, 5)


@settings(deadline=None, max_examples=20)
@given(
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    number=st.integers(1, 2))
def test_cutting_is_the_inverse_of_laying_out(rows, columns, number):
    frames = torch.rand(2, number * rows * columns, 3, 4, 5)
    # One size larger than a frame, so that scaling changes nothing.
    framesets = grid_framesets(frames, (rows, columns),
                               (4 * rows, 5 * columns))
    torch.testing.assert_close(
        cut_framesets(framesets, (rows, columns)), frames)


def test_frames_of_a_frameset_are_cut_in_time_order():
    frameset = torch.tensor([[0, 1], [2, 3]]).view(1, 1, 2, 2)
    assert cut_framesets(frameset, 2).flatten().tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match='2x2 does not divide into 4x4'):
        cut_framesets(frameset, 4)
