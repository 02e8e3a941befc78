"""The grid-like frameset of DualPath (CVPR 2023, Sec. 4.2).

One function builds framesets, whether a transform calls it on the CPU or the
data preprocessor on the device, so both give the same pixels.
"""
from typing import List, Optional, Sequence, Tuple, Union

import torch
import torch.nn.functional as F
from torch import Tensor

Size = Union[int, Sequence[int]]


def to_pair(value: Size, name: str) -> Tuple[int, int]:
    """A positive integer or two of them, as (height, width)."""
    pair = (value, value) if isinstance(value, int) else value
    if not (isinstance(pair, Sequence) and len(pair) == 2
            and all(isinstance(v, int) and v > 0 for v in pair)):
        raise ValueError(f'{name} must be a positive integer or two of them '
                         f'(height, width), given {value!r}.')
    return tuple(pair)


def spatial_indices(num_frames: int,
                    spatial_frames: Union[int, Sequence[int]]) -> List[int]:
    """The spatial path's subset of a clip's frames.

    Args:
        num_frames: Frames T of the clip.
        spatial_frames: Their number T_S, for every (T / T_S)-th frame, or
            the numbers of the frames themselves.

    Raises:
        ValueError: If T_S does not divide T, a frame is not in the clip, or
            it is neither of the two.
    """
    if not isinstance(spatial_frames, int):
        if not (isinstance(spatial_frames, Sequence)
                and all(isinstance(i, int) for i in spatial_frames)):
            raise ValueError(f'num_spatial_frames={spatial_frames!r} is '
                             'neither a number nor a list of frame numbers.')
        outside = [i for i in spatial_frames if not 0 <= i < num_frames]
        if outside or not spatial_frames:
            raise ValueError(f'num_spatial_frames={list(spatial_frames)} must '
                             f'name frames of a clip of {num_frames}, '
                             f'0 to {num_frames - 1}.')
        return list(spatial_frames)
    if spatial_frames < 1 or num_frames % spatial_frames:
        raise ValueError(
            f'num_spatial_frames={spatial_frames} does not divide the '
            f'{num_frames} frames of a clip. The spatial path reads every '
            '(T / T_S)-th frame; give a list of frame numbers to choose '
            'otherwise.')
    return list(range(0, num_frames, num_frames // spatial_frames))


def num_framesets(num_frames: int, grid: Size) -> int:
    """Framesets T_G that a clip of T frames fills.

    Raises:
        ValueError: If it does not fill whole ones.
    """
    rows, columns = to_pair(grid, 'grid')
    if num_frames % (rows * columns):
        raise ValueError(
            f'A clip of {num_frames} frames does not fill framesets of '
            f'{rows}x{columns} frames: give a multiple of {rows * columns}.')
    return num_frames // (rows * columns)


def grid_framesets(frames: Tensor,
                   grid: Size = 4,
                   size: Optional[Size] = None) -> Tensor:
    """Lay w*h consecutive frames, each scaled by itself, into one image.

    Every frame is scaled before anything is laid out, so antialiasing never
    bleeds one frame into its neighbour. The layout is row-major in time.

    Args:
        frames: ``(..., T, C, H, W)``, uint8 or floating point.
        grid: Frames down and across a frameset, (h, w), or one number for
            both.
        size: Height and width of a frameset in pixels. Defaults to the size
            of a frame.

    Returns:
        Framesets ``(..., T / (w*h), C, H', W')`` of the same dtype; uint8 is
        rounded to the nearest value.

    Raises:
        ValueError: If T is no multiple of w*h, or the frameset's height or
            width no multiple of the grid's.
    """
    num_framesets(frames.shape[-4], grid)
    return lay_out(shrink_frames(frames, grid, size), grid)


def shrink_frames(frames: Tensor,
                  grid: Size = 4,
                  size: Optional[Size] = None) -> Tensor:
    """Scale every frame by itself to its share of a frameset.

    Args:
        frames: ``(..., C, H, W)``, uint8 or floating point.
        grid: Frames down and across a frameset, (h, w), or one number for
            both.
        size: Height and width of a frameset in pixels. Defaults to the size
            of a frame.

    Returns:
        ``(..., C, H' / h, W' / w)`` of the same dtype; uint8 is rounded to
        the nearest value.

    Raises:
        ValueError: If the frameset's height or width is no multiple of the
            grid's.
    """
    rows, columns = to_pair(grid, 'grid')
    *lead, height, width = frames.shape
    if size is not None:
        height, width = to_pair(size, 'frameset size')
    if height % rows or width % columns:
        raise ValueError(
            f'A frameset of {height}x{width} pixels does not divide into '
            f'{rows}x{columns} frames: give a height that is a multiple of '
            f'{rows} and a width that is a multiple of {columns}.')
    scaled = F.interpolate(
        frames.reshape(-1, *frames.shape[-3:]).float(),
        size=(height // rows, width // columns),
        mode='bilinear',
        antialias=True,
        align_corners=False)
    if frames.dtype == torch.uint8:
        scaled = scaled.round().clamp(0, 255)
    return scaled.to(frames.dtype).reshape(*lead, *scaled.shape[-2:])


def lay_out(frames: Tensor, grid: Size = 4) -> Tensor:
    """Lay frames that are small already into framesets, row by row.

    Args:
        frames: ``(..., T, C, h', w')``.
        grid: Frames down and across a frameset, (h, w), or one number for
            both.

    Returns:
        Framesets ``(..., T / (w*h), C, h * h', w * w')``.

    Raises:
        ValueError: If T is no multiple of w*h.
    """
    rows, columns = to_pair(grid, 'grid')
    *lead, num_frames, channels, height, width = frames.shape
    number = num_framesets(num_frames, grid)
    frames = frames.reshape(*lead, number, rows, columns, channels, height,
                            width)
    # (..., G, rows, columns, C, h, w) -> (..., G, C, rows, h, columns, w)
    frames = frames.movedim(-3, -5).transpose(-3, -2)
    return frames.reshape(*lead, number, channels, rows * height,
                          columns * width)


def cut_framesets(framesets: Tensor, grid: Size = 4) -> Tensor:
    """Cut framesets back into their frames, in time order.

    The inverse of the layout of :func:`grid_framesets`; sizes stay as they
    are.

    Args:
        framesets: ``(..., T_G, C, H', W')``.
        grid: Frames down and across a frameset, (h, w), or one number for
            both.

    Returns:
        Frames ``(..., T_G * w*h, C, H' / h, W' / w)``.

    Raises:
        ValueError: If the framesets do not divide into the grid.
    """
    rows, columns = to_pair(grid, 'grid')
    *lead, number, channels, height, width = framesets.shape
    if height % rows or width % columns:
        raise ValueError(
            f'A frameset of {height}x{width} does not divide into '
            f'{rows}x{columns} frames.')
    frames = framesets.reshape(*lead, number, channels, rows, height // rows,
                               columns, width // columns)
    # (..., G, C, rows, h, columns, w) -> (..., G, rows, columns, C, h, w)
    frames = frames.transpose(-3, -2).movedim(-5, -3)
    return frames.reshape(*lead, -1, channels, height // rows,
                          width // columns)
