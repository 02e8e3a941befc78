"""Pictures of what a model reads and attends to."""
import textwrap
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..framesets import Size, cut_framesets, to_pair


def to_images(views: Tensor, preprocessor: nn.Module) -> np.ndarray:
    """Undo a data preprocessor's normalisation.

    Args:
        views: Normalised images ``(n, 3, H, W)``.
        preprocessor: MMAction2's, or one that inherits from it.

    Returns:
        uint8 images ``(n, H, W, 3)``.
    """
    views = views.float().cpu()
    if preprocessor._enable_normalize:
        mean, std = (
            getattr(preprocessor, k).view(-1, 1, 1).cpu()
            for k in ('mean', 'std'))
        views = views * std + mean
    return views.round().clamp(0, 255).byte().movedim(1, -1).numpy()


def side_by_side(images: Sequence[np.ndarray],
                 gap: int = 2,
                 per_row: Optional[int] = None) -> np.ndarray:
    """Images ``(H, W, 3)`` of one size beside each other on white.

    Args:
        images: The images.
        gap: Pixels between them.
        per_row: Images in a row; defaults to all.
    """
    per_row = per_row or len(images)
    height, width = images[0].shape[:2]
    rows = -(-len(images) // per_row)
    out = np.full((rows * (height + gap) - gap, min(per_row, len(images)) *
                   (width + gap) - gap, 3), 255, np.uint8)
    for i, image in enumerate(images):
        y = i // per_row * (height + gap)
        x = i % per_row * (width + gap)
        out[y:y + height, x:x + width] = image
    return out


def heat_maps(maps: Tensor,
              size: Tuple[int, int]) -> Tuple[Tensor, Tuple[float, float]]:
    """Resize attention maps to images and scale them for drawing.

    The 99th percentile of all maps together becomes 1, so that images of one
    row can be compared and no single patch takes all the colour.

    Args:
        maps: ``(n, h, w)``.
        size: Height and width of the images.

    Returns:
        ``(n, H, W)`` from 0 to 1, and what 0 and 1 are, in multiples of the
        mean of the maps.
    """
    maps = maps.float().cpu()
    resized = F.interpolate(
        maps[:, None], size=size, mode='bilinear', align_corners=False)[:, 0]
    low, high = resized.min(), resized.flatten().quantile(0.99)
    heat = ((resized - low) / (high - low).clamp(min=1e-12)).clamp(0, 1)
    mean = maps.mean().clamp(min=1e-12)
    return heat, (float(low / mean), float(high / mean))


def overlay(images: np.ndarray, heat: Tensor) -> np.ndarray:
    """Heat maps ``(n, H, W)`` from 0 to 1 over images ``(n, H, W, 3)``."""
    heat = heat.numpy()[..., None]
    colours = matplotlib.colormaps['inferno'](heat[..., 0])[..., :3] * 255
    grey = images.mean(-1, keepdims=True)
    # Where little attention goes the picture itself stays to be seen.
    weight = 0.3 + 0.45 * heat
    mixed = (1 - weight) * grey + weight * colours
    return mixed.round().astype(np.uint8)


@dataclass
class Row:
    """A row of a sheet: a label and pictures beside each other.

    Attributes:
        label: Lines of text.
        pictures: ``(H, W, 3)`` each.
        scale: What the least and the most colour stand for.
    """
    label: str
    pictures: List[np.ndarray]
    scale: Optional[Tuple[float, float]] = None


@dataclass
class Section:
    """A titled block of rows, ``height`` inches each."""
    title: str
    rows: List[Row]
    height: float = 1.2


def sheet(sections: Sequence[Section], title: str = '') -> Figure:
    """Sections of rows below each other as a figure.

    Args:
        sections: What is drawn.
        title: Title of the sheet.
    """
    label_width, gap, bar = 1.3, 0.08, 0.6
    rows = [(section, row) for section in sections for row in section.rows]
    widths = [
        sum(section.height * p.shape[1] / p.shape[0] + gap
            for p in row.pictures) + bar * (row.scale is not None)
        for section, row in rows
    ]
    note = 0.3 * any(row.scale for _, row in rows)
    width = label_width + max(widths)
    height = note + 0.35 * bool(title) + sum(0.3 + len(section.rows) *
                                             (section.height + gap)
                                             for section in sections)
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    top = height
    if title:
        top -= 0.35
        figure.text(0.08 / width, (top + 0.12) / height, title, weight='bold')
    for section in sections:
        top -= 0.3
        figure.text(
            0.08 / width, (top + 0.09) / height, section.title, fontsize=9)
        for row in section.rows:
            top -= section.height
            figure.text(
                (label_width - 0.08) / width,
                (top + section.height / 2) / height,
                '\n'.join(
                    textwrap.fill(line, 16) for line in row.label.split('\n')),
                ha='right',
                va='center',
                fontsize=9)
            left = label_width
            for picture in row.pictures:
                w = section.height * picture.shape[1] / picture.shape[0]
                axes = figure.add_axes((left / width, top / height, w / width,
                                        section.height / height))
                axes.imshow(picture, aspect='auto', interpolation='nearest')
                axes.set_axis_off()
                left += w + gap
            if row.scale is not None:
                _draw_scale(
                    figure.add_axes((left / width, top / height, 0.1 / width,
                                     section.height / height)), row.scale)
            top -= gap
    if note:
        figure.text(
            0.08 / width,
            0.1 / height,
            'Scales: multiples of the mean attention of a row.',
            fontsize=8,
            color='0.35')
    return figure


def _draw_scale(axes: Axes, scale: Tuple[float, float]) -> None:
    """The colours of :func:`overlay` and what they stand for."""
    heat = torch.linspace(1, 0, 128)[None, :, None]
    grey = np.full((1, 128, 1, 3), 128, np.uint8)
    axes.imshow(overlay(grey, heat)[0], aspect='auto')
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([0, 127], [f'×{v:.{1 + (v < 1)}f}' for v in scale[::-1]])
    axes.tick_params(length=2, pad=1.5, labelsize=7.5)
    top, bottom = axes.get_yticklabels()
    top.set_verticalalignment('top')
    bottom.set_verticalalignment('bottom')


def attention_sections(path: str,
                       images: np.ndarray,
                       maps: Dict[str, Tensor],
                       grid: Optional[Size] = None,
                       max_images: int = 8) -> List[Section]:
    """Draw one path: what it reads and what its class tokens attend to.

    Args:
        path: Name of the path.
        images: What it reads, ``(n, H, W, 3)``.
        maps: Maps ``(n, h, w)`` by label, a row each.
        grid: Frames down and across if the images are framesets: they are
            also cut back into frames, in time order.
        max_images: Frames that are drawn at most, spread over the clip.
    """
    drawn: Dict[str, Tuple] = dict(input=(images, None))
    for label, value in maps.items():
        heat, scale = heat_maps(value, images.shape[1:3])
        drawn[label] = overlay(images, heat), scale
    if grid is None:
        keep = np.linspace(0, len(images) - 1, min(max_images, len(images)))
        keep = keep.round().astype(int)
        return [
            Section(f'{path}: {len(keep)} of {len(images)} frames', [
                Row(label, [side_by_side(values[keep])], scale)
                for label, (values, scale) in drawn.items()
            ])
        ]
    rows, columns = to_pair(grid, 'grid')
    sections = []
    for number in range(len(images)):
        lines = [
            Row(label, [
                values[number],
                side_by_side(
                    cut(values[number:number + 1], grid),
                    gap=max(1, images.shape[1] // 112),
                    per_row=-(-rows * columns // 2))
            ], scale) for label, (values, scale) in drawn.items()
        ]
        sections.append(
            Section(
                f'{path}: frameset {number + 1} of {len(images)}, and its '
                'frames in time order', lines, 1.6))
    return sections


def cut(images: np.ndarray, grid: Size) -> np.ndarray:
    """Framesets ``(n, H, W, 3)`` to frames ``(n * w*h, H / h, W / w, 3)``."""
    framesets = torch.from_numpy(np.ascontiguousarray(images)).movedim(-1, 1)
    return cut_framesets(framesets, grid).movedim(1, -1).numpy()
