"""One sheet of attention for a model and a batch."""
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmaction.models import BaseRecognizer
from PIL import Image
from torch import Tensor, nn

from ..apis.inference import VideoInferencer
from ..apis.windows import segment
from ..framesets import Size
from ..models.backbones import views_of
from .attention import attention_maps
from .pictures import (Section, attention_sections, cut, heat_maps, overlay,
                       side_by_side, to_images)
from .predictions import draw_lines

Heads = Union[str, Sequence[int]]


def path_inputs(inputs: Union[Tensor, Mapping[str, Tensor]],
                preprocessor: nn.Module) -> Dict[str, Tensor]:
    """The first clip of a preprocessed batch, by path.

    Args:
        inputs: What the data preprocessor puts out.
        preprocessor: The data preprocessor.

    Returns:
        What each view reads: ``spatial`` and ``temporal`` images
        ``(n, 3, H, W)``, or as ``frames`` the frames of the first video or
        its first clip ``(1, 3, T, H, W)``.
    """
    if isinstance(inputs, Mapping):
        return {path: value[0, 0] for path, value in inputs.items()}
    if inputs.dim() == 5:  # (B, M * T, 3, H, W)
        return dict(frames=inputs[0])
    if hasattr(preprocessor, 'split'):
        return path_inputs(
            preprocessor.split(inputs.transpose(2, 3)), preprocessor)
    return dict(frames=inputs[0, :1])


@torch.no_grad()
def read_segment(inferencer: VideoInferencer,
                 reader: Any,
                 start: int,
                 stop: int,
                 fps: float = 30.) -> Dict[str, Tensor]:
    """What each path of a model reads of a part of a video.

    Args:
        inferencer: Has the model and its test pipeline.
        reader: An open video, as ``VideoInferencer.scores`` takes it.
        start: First frame.
        stop: The one after the last.
        fps: Frames per second.

    Returns:
        See :func:`path_inputs`.
    """
    preprocessor = inferencer.model.data_preprocessor
    inputs = dict(segment(start, stop, fps), video_reader=reader)
    batch = next(iter(inferencer.preprocess([inputs])))
    return path_inputs(preprocessor(batch)['inputs'], preprocessor)


def pick_heads(maps: Tensor, heads: Heads, label: str) -> Dict[str, Tensor]:
    """Choose or average heads, a row each.

    Args:
        maps: ``(n, heads, h, w)``.
        heads: ``'mean'``, ``'each'`` or numbers of heads.
        label: Label of the rows.

    Raises:
        ValueError: If there is no such head.
    """
    if heads == 'mean' or maps.shape[1] == 1:
        return {label: maps.mean(1)}
    chosen = range(maps.shape[1]) if heads == 'each' else heads
    wrong = [h for h in chosen if not 0 <= h < maps.shape[1]]
    if wrong:
        raise ValueError(f'heads={list(chosen)}: there are the heads 0 to '
                         f'{maps.shape[1] - 1}.')
    return {f'head {h},\n{label}': maps[:, h] for h in chosen}


def attention_rows(model: BaseRecognizer,
                   inputs: Mapping[str, Tensor],
                   bare: Optional[Mapping[str, nn.Module]] = None,
                   block: int = -1,
                   heads: Heads = 'mean',
                   roll: bool = False,
                   adapted: bool = True) -> Dict[str, Dict[str, Tensor]]:
    """Maps of every path by label, without and with adaptation.

    Args:
        model: A recognizer.
        inputs: See :func:`path_inputs`.
        bare: Networks without adapters by path; None leaves them out.
        block: Number of the block.
        heads: See :func:`pick_heads`.
        roll: Whether attention is rolled out.
        adapted: Whether the model's own views are drawn.
    """
    rows = {}
    for path, view in views_of(model.backbone).items():
        kinds = {}
        if bare:
            kinds['without adaptation'] = bare[path]
        if adapted:
            kinds['with adaptation' if bare else 'attention'] = view
        picked = []
        for label, network in kinds.items():
            maps = attention_maps(network, inputs[path], block, roll)
            if maps.dim() == 5:  # one map for the frames of a tube
                maps = _to_frames(maps, inputs[path].shape[2])
            picked.append(pick_heads(maps, heads, label).items())
        # A head without and with adaptation below each other.
        rows[path] = dict(row for head in zip(*picked) for row in head)
    return rows


def _to_frames(maps: Tensor, frames: int) -> Tensor:
    """``(1, heads, t, h, w)`` -> ``(T, heads, h, w)``."""
    tube = torch.arange(frames, device=maps.device) * maps.shape[2] // frames
    return maps[0, :, tube].transpose(0, 1)


def drawn_path(model: BaseRecognizer, inputs: Mapping[str, Tensor],
               path: str) -> Tuple[np.ndarray, Optional[Size]]:
    """Images ``(n, H, W, 3)`` that a path reads, and the framesets' grid."""
    views = inputs[path]
    if views.dim() == 5:
        views = views[0].transpose(0, 1)
    grid = model.data_preprocessor.grid if path == 'temporal' else None
    return to_images(views, model.data_preprocessor), grid


def model_sections(model: BaseRecognizer,
                   inputs: Mapping[str, Tensor],
                   rows: Mapping[str, Mapping[str, Tensor]],
                   max_images: int = 8) -> List[Section]:
    """The sections of a sheet, see :func:`attention_sections`."""
    names = dict(
        spatial='spatial path', temporal='temporal path', frames='frames')
    sections = []
    for path, maps in rows.items():
        images, grid = drawn_path(model, inputs, path)
        sections += attention_sections(names[path], images, dict(maps), grid,
                                       max_images)
    return sections


def attention_frames(model: BaseRecognizer,
                     inputs: Mapping[str, Tensor],
                     rows: Mapping[str, Mapping[str, Tensor]],
                     height: int = 224) -> List[np.ndarray]:
    """Pictures of a video: a frame, and what is attended to in it.

    Framesets are cut back into their frames; a model without temporal path
    shows its spatial frames.

    Args:
        model: A recognizer.
        inputs: See :func:`path_inputs`.
        rows: See :func:`attention_rows`.
        height: Pixels of a picture.

    Returns:
        A picture for each frame, in time order.
    """
    path = 'temporal' if 'temporal' in rows else next(iter(rows))
    images, grid = drawn_path(model, inputs, path)
    columns = dict(input=images)
    for label, maps in rows[path].items():
        heat, _ = heat_maps(maps, images.shape[1:3])
        columns[' '.join(label.split())] = overlay(images, heat)
    if grid is not None:
        columns = {k: cut(v, grid) for k, v in columns.items()}
    pictures = []
    for parts in zip(*columns.values()):
        width = round(height * parts[0].shape[1] / parts[0].shape[0])
        parts = [
            np.asarray(Image.fromarray(p).resize((width, height)))
            for p in parts
        ]
        parts = [draw_lines(p, [label]) for label, p in zip(columns, parts)]
        pictures.append(side_by_side(parts))
    return pictures
