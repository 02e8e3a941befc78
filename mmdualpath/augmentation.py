"""torchvision's augmentation of whole clips, on the CPU and on a device.

torchvision's ``transforms.v2`` draws its parameters once for a whole video
tensor. On the CPU some of its operations on bytes are slow: ``Clip`` is a
video for which they are computed in another way, with the same result.
"""
from typing import Any, Callable, Mapping, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F


def build_augmentation(transforms: Sequence[dict]) -> v2.Compose:
    """Compose transforms of ``torchvision.transforms.v2``.

    Args:
        transforms: One dict per transform, ``type`` being its name and the
            rest its arguments. An interpolation may be given by name, and
            what has ``transforms`` of its own, such as ``RandomApply``, holds
            dicts again.

    Raises:
        ValueError: If torchvision has no transform of that name.
    """
    return v2.Compose([_build(cfg) for cfg in transforms])


def _build(cfg: Mapping[str, Any]) -> v2.Transform:
    cfg = dict(cfg)
    name = cfg.pop('type', None)
    transform = getattr(v2, str(name), None)
    if not (isinstance(transform, type)
            and issubclass(transform, v2.Transform)):
        raise ValueError(f'type={name!r} is no transform of '
                         'torchvision.transforms.v2.')
    if isinstance(cfg.get('interpolation'), str):
        cfg['interpolation'] = InterpolationMode(cfg['interpolation'])
    if 'transforms' in cfg:
        cfg['transforms'] = [_build(inner) for inner in cfg['transforms']]
    return transform(**cfg)


def augment_batch(clips: Tensor, augmentation: v2.Compose) -> Tensor:
    """Augment every clip of a batch where it is, each with its own draws.

    Args:
        clips: ``(B, M, C, T, H, W)`` uint8; the T frames of a clip are treated
            alike.
        augmentation: See :func:`build_augmentation`.

    Returns:
        The same shape and device.
    """
    flat = clips.flatten(0, 1).transpose(1, 2)  # (B M, T, C, H, W)
    done = [augmentation(tv_tensors.Video(clip)) for clip in flat]
    return torch.stack(done).as_subclass(Tensor).transpose(1, 2).unflatten(
        0, clips.shape[:2])


class Clip(tv_tensors.Video):
    """A video ``(T, C, H, W)`` of bytes on the CPU, augmented faster."""


def _faster(functional: Callable) -> Callable:
    """Use a kernel, bytes to bytes, for ``Clip``."""

    def register(kernel: Callable) -> Callable:

        @v2.functional.register_kernel(functional, Clip)
        def wrapped(video: Clip, *args: Any, **kwargs: Any) -> Clip:
            plain = video.as_subclass(Tensor)
            if plain.dtype == torch.uint8 and plain.is_contiguous():
                return tv_tensors.wrap(
                    kernel(plain, *args, **kwargs), like=video)
            return tv_tensors.wrap(
                functional(plain, *args, **kwargs), like=video)

        return kernel

    return register


@_faster(F.adjust_sharpness)
def _sharpness(video: Tensor, sharpness_factor: float) -> Tensor:
    """Sums of 3 x 3 pixels instead of a convolution."""
    if min(video.shape[-2:]) < 3:
        return video
    # All images one below the other; borders stay as they are.
    rows = video.numpy().reshape(-1, video.shape[-1])
    sums = torch.from_numpy(
        cv2.boxFilter(rows, cv2.CV_32F, (3, 3), normalize=False))
    output = video.float()
    blurred = sums.view_as(output).add_(output, alpha=4).div_(13).round_()
    inner = output[..., 1:-1, 1:-1]
    inner.add_(
        blurred[..., 1:-1, 1:-1].sub_(inner), alpha=1 - sharpness_factor)
    return output.clamp_(0, 255).to(torch.uint8)


def _by_table(functional: Callable) -> None:
    """What depends on a pixel's own value alone is looked up."""

    @_faster(functional)
    def kernel(video: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        values = torch.arange(256, dtype=torch.uint8).view(1, 1, 256)
        table = functional(values, *args, **kwargs).flatten().numpy()
        rows = video.numpy().reshape(-1, video.shape[-1])
        return torch.from_numpy(cv2.LUT(rows, table)).view_as(video)


for _functional in (F.adjust_brightness, F.solarize):
    _by_table(_functional)


def _by_place(functional: Callable) -> None:
    """Where pixels come from is computed once for all images."""

    @_faster(functional)
    def kernel(video: Tensor,
               *args: Any,
               interpolation: InterpolationMode = InterpolationMode.NEAREST,
               fill: Any = None,
               **kwargs: Any) -> Tensor:
        height, width = video.shape[-2:]
        if fill is not None or interpolation != InterpolationMode.NEAREST \
                or height * width >= 2**24:  # what float32 counts to
            return functional(
                video, *args, interpolation=interpolation, fill=fill, **kwargs)
        places = torch.arange(1., height * width + 1).view(1, height, width)
        places = functional(
            places, *args, interpolation=interpolation, **kwargs)
        # Place 0, from outside, is black.
        images = np.zeros((video[..., 0, 0].numel(), height * width + 1),
                          np.uint8)
        images[:, 1:] = video.numpy().reshape(len(images), -1)
        images = images.take(places.long().flatten().numpy(), axis=1)
        return torch.from_numpy(images).view(*video.shape[:-2],
                                             *places.shape[-2:])


for _functional in (F.affine, F.rotate):
    _by_place(_functional)
