"""Steps of a test pipeline, as MMAction2 does them, on arrays."""
from typing import Dict, Tuple

import numpy as np

# What stands between a video and the graph, and the options of each.
STEPS: Dict[str, Tuple[str, ...]] = dict(
    UniformSample=('clip_len', 'num_clips'),
    SampleFrames=('clip_len', 'frame_interval', 'num_clips',
                  'out_of_bound_opt', 'target_fps', 'twice_sample'),
    Resize=('scale', 'keep_ratio'),
    CenterCrop=('crop_size', ))


def _uniform_sample(total: int, fps: float, step: Dict) -> np.ndarray:
    """As MMAction2's ``UniformSample`` in tests."""
    segment = (total - 1) / step['clip_len']
    starts = np.round(segment * np.arange(step['clip_len'])).astype(int)
    shift = segment / (step['num_clips'] + 1)
    return np.concatenate(
        [starts + int(shift * (k + 1)) for k in range(step['num_clips'])])


def _sample_frames(total: int, fps: float, step: Dict) -> np.ndarray:
    """As MMAction2's ``SampleFrames`` in tests."""
    length, clips = step['clip_len'], step['num_clips']
    interval, target = step['frame_interval'], step['target_fps']
    if target is None:
        span = (length - 1) * interval + 1
        numbers = np.arange(length) * interval
    else:
        span = max(1, length * interval * (fps / target if fps else 1.))
        numbers = np.linspace(0, span - 1, length).astype(np.int32)
    if length == 1:
        every = total / clips
        first = np.arange(clips) * every
        starts = first + every / 2
        if step['twice_sample']:
            starts = np.concatenate([starts, first])
    elif clips * (1 + step['twice_sample']) > 1:
        every = max(total - span, 0) / (clips - 1)
        count = np.arange(clips * (1 + step['twice_sample']))
        starts = np.round(count * every) if target is None \
            else count * np.floor(every)
    else:
        starts = np.array([max(total - span, 0) // 2])
    numbers = starts[:, None] + numbers
    if step['out_of_bound_opt'] == 'loop':
        numbers = numbers % total
    else:
        inside = numbers < total
        last = np.max(inside * numbers, 1, keepdims=True)
        numbers = np.where(inside, numbers, last)
    return numbers.reshape(-1).astype(int)


def _resize(images: np.ndarray, step: Dict) -> np.ndarray:
    """As MMAction2's ``Resize``, by OpenCV's bilinear interpolation."""
    height, width = images.shape[1:3]
    scale = step['scale']
    if not step['keep_ratio']:
        new = tuple(scale)
    else:
        if len(scale) == 1:
            factor = scale[0]
        elif min(scale) == -1:
            factor = max(scale) / min(height, width)
        else:
            factor = min(
                max(scale) / max(height, width),
                min(scale) / min(height, width))
        new = int(width * factor + 0.5), int(height * factor + 0.5)
    return bilinear(images, new[1], new[0])


def bilinear(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Images ``(N, H, W, C)``, uint8, scaled in OpenCV's whole numbers."""
    if images.shape[1:3] == (height, width):
        return images
    rows, columns = (
        _taps(*sides)
        for sides in ((images.shape[1], height), (images.shape[2], width)))
    out = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for number, image in enumerate(images):
        first, weight = columns
        last = np.minimum(first + 1, image.shape[1] - 1)
        weight = weight[:, None]
        lines = image.astype(np.int32)
        lines = lines[:, first] * (2048 - weight) + lines[:, last] * weight
        first, weight = rows
        last = np.minimum(first + 1, len(image) - 1)
        weight, lines = weight[:, None, None], lines >> 4
        lines = (((2048 - weight) * lines[first]) >> 16) + (
            (weight * lines[last]) >> 16)
        out[number] = (lines + 2) >> 2
    return out


def _taps(old: int, new: int) -> Tuple[np.ndarray, np.ndarray]:
    """First of the two pixels of each new one, and 2048ths of the second."""
    place = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(place).astype(int)
    part = place - first
    part[first < 0] = 0
    first = np.maximum(first, 0)
    part[first >= old - 1] = 0
    first = np.minimum(first, old - 1)
    return first, np.rint(part * np.float32(2048)).astype(np.int32)


def _center_crop(images: np.ndarray, step: Dict) -> np.ndarray:
    """As MMAction2's ``CenterCrop``."""
    width, height = step['crop_size']
    top = (images.shape[1] - height) // 2
    left = (images.shape[2] - width) // 2
    if min(top, left) < 0:
        raise ValueError(f'Frames of {images.shape[1]}x{images.shape[2]} '
                         f'pixels are smaller than a crop of {height}x{width}'
                         '.')
    return images[:, top:top + height, left:left + width]


SAMPLERS = dict(UniformSample=_uniform_sample, SampleFrames=_sample_frames)
IMAGES = dict(Resize=_resize, CenterCrop=_center_crop)
