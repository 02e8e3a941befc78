"""Parts of a model that must agree are compared before they run."""
import copy
import re
from typing import Dict, Iterator, List, Sequence, Set

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from .adapters.base import Adapter
from .backbones import strip, views_of
from .backbones.fingerprint import RANDOM
from .backbones.resume import reading_images

# Frames are 0 to 255 when they are normalised.
WHITE = 255
# Published means and deviations are rounded.
ROUNDING = 0.1


def check_model(model: nn.Module) -> None:
    """Compare the parts of a recognizer.

    Args:
        model: A recognizer of MMAction2 or of this package.

    Raises:
        ValueError: If its data preprocessor normalises pixels of [0, 1], or
            otherwise than the frozen weights were trained with, or backbone,
            data preprocessor and head are set for other clips.
    """
    _check_pixels(model.data_preprocessor)
    for view in views_of(model.backbone).values():
        fingerprint = getattr(view, 'fingerprint', None)
        trained = fingerprint is None or fingerprint.format != RANDOM
        if trained and not getattr(view, 'any_normalization', False):
            check_normalization(model.data_preprocessor, view)
    _check_frames(model)


def _normalization(preprocessor: nn.Module) -> Dict[str, List[float]]:
    """``mean`` and ``std``; nothing where it does not normalise."""
    values = {n: getattr(preprocessor, n, None) for n in ('mean', 'std')}
    return {
        n: v.flatten().tolist()
        for n, v in values.items()
        if isinstance(v, Tensor) and not v.is_meta and v.numel()
    }


def check_normalization(preprocessor: nn.Module, view: nn.Module) -> None:
    """Compare pixels with those that frozen weights were trained on.

    Args:
        preprocessor: Data preprocessor of a recognizer.
        view: A view of a frozen backbone, or a backbone.

    Raises:
        ValueError: If both normalise, and differently.
    """
    base = getattr(view, 'base', view)
    known = getattr(base, 'normalization', None)
    given = _normalization(preprocessor)
    if not known or len(given) < 2:
        return
    if all(
            abs(a - b) <= ROUNDING for n in given
            for a, b in zip(given[n], known[n])):
        return

    def text(values: Dict[str, List[float]]) -> str:
        return ', '.join(f'{n}={[round(v, 3) for v in values[n]]}'
                         for n in ('mean', 'std'))

    raise ValueError(
        f'The data preprocessor normalises with {text(given)}, but the '
        f'weights of {type(base).__name__} were trained with {text(known)}. '
        'Give it these; a deliberate difference is any_normalization=True of '
        'the AdaptedBackbone or DualPathBackbone.')


def _check_pixels(preprocessor: nn.Module) -> None:
    given = _normalization(preprocessor)
    if len(given) == 2 and max(map(abs, given['mean'])) <= 1 \
            and max(given['std']) <= 1:
        mean, std = given['mean'], given['std']
        raise ValueError(
            f'mean={[round(v, 4) for v in mean]} and '
            f'std={[round(v, 4) for v in std]} of the data preprocessor are '
            f'those of pixels from 0 to 1, but frames are 0 to {WHITE}: '
            f'multiply both by {WHITE}.')


def adapters_of(network: nn.Module) -> Iterator[Adapter]:
    """All adapters of a network."""
    return (m for m in network.modules() if isinstance(m, Adapter))


def clip_lengths(model: nn.Module) -> Dict[str, Set[int]]:
    """Images of a clip that each path's adapters are set for, if any."""
    return {
        path: {
            a.images_per_clip
            for a in adapters_of(view) if a.images_per_clip is not None
        }
        for path, view in views_of(model.backbone).items()
    }


def _check_frames(model: nn.Module) -> None:
    grids = {a.grid for a in adapters_of(model.backbone) if hasattr(a, 'grid')}
    grid = getattr(model.data_preprocessor, 'grid', None)
    if grid is not None and grids - {grid}:
        raise ValueError(
            f'data_preprocessor.grid={grid} lays framesets out otherwise than '
            f'their positions, which are set for grid={sorted(grids)}: give '
            'both the same.')
    frames = getattr(getattr(model, 'cls_head', None), 'num_frames', None)
    for lengths in clip_lengths(model).values():
        if frames is not None and lengths - {frames}:
            raise ValueError(
                f'cls_head.num_frames={frames}, but the adapters are set for '
                f'clips of {sorted(lengths)} frames: give all the same.')


def check_size(view: nn.Module, shape: Sequence[int]) -> None:
    """Try whether a frozen backbone takes images, without values.

    Args:
        view: A view of a frozen backbone, or a backbone.
        shape: Of an image ``(3, H, W)`` or of a clip ``(3, T, H, W)``.

    Raises:
        ValueError: If it does not, or height or width is no multiple of its
            patches.
    """
    base = getattr(view, 'base', view)
    for layer in base.modules():
        # Some libraries drop what fills no patch, others fill it with zeros.
        if isinstance(layer, _ConvNd) and layer.in_channels == shape[0] \
                and layer.kernel_size == layer.stride \
                and any(s % p for s, p in zip(shape[-2:], layer.stride[-2:])):
            raise ValueError(f'{type(base).__name__} reads patches of '
                             f'{tuple(layer.stride[-2:])} pixels, and these '
                             'are no multiple of them.')
    memo = {id(b): b.to('meta') for b in base.buffers()}
    for p in base.parameters():
        memo[id(p)] = nn.Parameter(p.to('meta'), requires_grad=False)
    bare = reading_images(strip(copy.deepcopy(base, memo)))
    bare.train(False)  # mmpretrain's eval() returns None
    try:
        with torch.no_grad():
            bare(torch.empty((1, *shape), device='meta'))
    except Exception as error:
        # It asks for values, and cannot be tried without.
        if re.search(r'\bmeta\b', str(error)):
            return
        raise ValueError(f'{type(base).__name__} does not take them '
                         f'({str(error) or type(error).__name__}).') from error


def check_head(head: nn.Module) -> None:
    """Try whether a head reads one vector a clip.

    Args:
        head: A head with ``in_channels``.

    Raises:
        ValueError: If it does not.
    """
    device = next(head.parameters(), torch.empty(0)).device
    training = head.training
    try:
        with torch.no_grad():
            head.eval()(torch.zeros(1, head.in_channels, device=device))
    except Exception as error:
        raise ValueError(
            f'{type(head).__name__} does not read features (B, '
            f'{head.in_channels}), one vector a clip, which is what DualPath '
            f'gives ({error}). Use MLPHead, or another head that does.'
        ) from error
    finally:
        head.train(training)
