"""Fit tables of positions to another size of image or window.

The arithmetic is in float64, so that the rounded result, and with it the
fingerprint of a frozen backbone, is the same on every machine.
"""
import math
from typing import Sequence, Tuple

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from .base import StateDict

POSITIONS = ('pos_embed', 'absolute_pos_embed')
TABLE = 'relative_position_bias_table'


def resize_tables(tensors: StateDict, backbone: nn.Module) -> StateDict:
    """Interpolate position tables whose size differs from the model's.

    Position embeddings and relative position tables are bicubically
    interpolated over space, and linearly over time.

    Args:
        tensors: Tensors under the model's names.
        backbone: The model they are meant for.

    Returns:
        The tensors, those of another size replaced. A table that cannot be
        fitted stays as it is.
    """
    own = backbone.state_dict()
    resized, done = {}, {}
    for name, tensor in tensors.items():
        fitted = tensor
        if name in own and own[name].shape != tensor.shape:
            if name in POSITIONS:
                fitted, sizes = _resize_positions(tensor, own[name], backbone)
            elif name.endswith(TABLE):
                window = backbone.get_submodule(
                    name.rpartition('.')[0]).window_size
                fitted, sizes = _resize_relative(tensor, own[name], window)
        if fitted is not tensor:
            what = name.rpartition('.')[-1]
            done.setdefault((what, sizes), []).append(name)
        resized[name] = fitted
    for (what, sizes), names in done.items():
        print_log(
            f'Interpolated {what} of {type(backbone).__name__} {sizes}'
            f' ({len(names)} of them).',
            logger='current')
    return resized


def _resize_positions(tensor: Tensor, own: Tensor,
                      backbone: nn.Module) -> Tuple[Tensor, str]:
    """``(1, extra + h*w, C)`` to the model's patches."""
    patches = getattr(backbone, 'patch_embed', None)
    target = getattr(patches, 'init_out_size',
                     getattr(patches, 'grid_size', None))  # timm's name
    if target is None or tensor.dim(
    ) != 3 or tensor.shape[-1] != own.shape[-1]:
        return tensor, ''
    extra = own.shape[1] - math.prod(target)
    tokens = tensor.shape[1]
    if getattr(backbone, 'cls_token', None) is None \
            and math.isqrt(tokens)**2 != tokens:
        tensor, tokens = tensor[:, 1:], tokens - 1  # no class token here
    side = math.isqrt(tokens - extra)
    if side**2 != tokens - extra:
        return tensor, ''
    table = tensor[:, extra:].double().unflatten(1, (side, side))
    table = F.interpolate(
        table.movedim(-1, 1),
        tuple(target),
        mode='bicubic',
        antialias=getattr(backbone, 'antialias', False))
    fitted = torch.cat(
        (tensor[:, :extra], table.flatten(2).transpose(1, 2).float()), 1)
    return fitted, f'from {_by(side, side)} to {_by(*target)} patches'


def _resize_relative(tensor: Tensor, own: Tensor,
                     window: Sequence[int]) -> Tuple[Tensor, str]:
    """``(prod(2 window - 1), heads)`` to the model's window."""
    source = _source_window(tensor.shape[0], tuple(window))
    if source is None or tensor.shape[1] != own.shape[1]:
        return tensor, ''
    table = tensor.double().T.unflatten(1, [2 * s - 1 for s in source])
    if len(source) == 3:
        heads, _, height, width = table.shape
        time = 2 * window[0] - 1
        if source[0] != window[0]:
            table = table.flatten(2).transpose(1, 2)  # heads, places, times
            table = F.interpolate(
                table, size=time, mode='linear', align_corners=False)
            table = table.transpose(1, 2).unflatten(2, (height, width))
    else:
        table = table[:, None]
    table = F.interpolate(
        table,
        size=[2 * w - 1 for w in window[-2:]],
        mode='bicubic',
        align_corners=False)
    return (table.flatten(1).T.float().contiguous(),
            f'from {_by(*source)} to {_by(*window)} windows')


def _source_window(length: int, window: Tuple[int, ...]):
    """The published window, which differs in space or in time, not in both."""
    *time, height, width = window
    frames = math.prod(2 * t - 1 for t in time)
    side = math.isqrt(length // frames)
    if side * side * frames == length and side % 2:
        return (*time, (side + 1) // 2, (side + 1) // 2)
    area = (2 * height - 1) * (2 * width - 1)
    if time and length % area == 0 and (length // area) % 2:
        return ((length // area + 1) // 2, height, width)
    return None


def _by(*sizes: int) -> str:
    return 'x'.join(str(s) for s in sizes)
