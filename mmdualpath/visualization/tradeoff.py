"""Accuracy against trainable parameters, as Figure 1 of DualPath."""
from typing import Iterable, List

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

COLOURS = dict(paper='tab:gray', measured='tab:blue')


def areas(macs: Iterable[float], largest: float = 1500.) -> np.ndarray:
    """Areas of circles in square points, in proportion to multiply-adds."""
    macs = np.asarray(list(macs), float)
    return largest * macs / macs.max()


def plot(points: List[dict], title: str = '') -> Figure:
    """The points as circles with names.

    The area of a circle stands for the multiply-adds. Circles of source
    ``paper`` are hollow, those of source ``measured`` filled.

    Args:
        points: Each with ``name``, ``trainable`` (parameters), ``macs``,
            ``accuracy`` (per cent) and ``source``.
        title: Title of the plot.
    """
    figure = Figure(figsize=(7.5, 5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x = np.array([p['trainable'] / 1e6 for p in points])
    y = np.array([p['accuracy'] for p in points])
    size = areas(p['macs'] for p in points)
    for source, colour in COLOURS.items():
        mine = np.array([p['source'] == source for p in points])
        axes.scatter(
            x[mine],
            y[mine],
            size[mine],
            facecolors='none' if source == 'paper' else colour,
            edgecolors=colour,
            alpha=1. if source == 'paper' else 0.6,
            linewidths=1.2)
        axes.scatter(  # the centre, for circles that are very small
            x[mine],
            y[mine],
            6,
            color=colour)
        if mine.any():
            axes.scatter([], [],
                         60,
                         facecolors='none' if source == 'paper' else colour,
                         edgecolors=colour,
                         label=source)
    axes.set_xscale('log')
    axes.margins(0.18, 0.14)
    axes.set_xlabel('trainable parameters (millions)')
    axes.set_ylabel('top-1 accuracy (%)')
    axes.xaxis.set_major_formatter('{x:g}')
    axes.grid(alpha=0.2)
    axes.set_title(title)
    axes.legend(
        loc='lower right',
        title=f'largest circle: {_number(max(p["macs"] for p in points))} '
        'G multiply-adds',
        title_fontsize=8,
        fontsize=8)
    _name(axes, points, np.stack((x, y), 1), np.sqrt(size / np.pi))
    return figure


def _number(macs: float) -> str:
    giga = macs / 1e9
    return f'{giga:,.0f}' if giga >= 100 else f'{giga:.3g}'


def _name(axes, points: List[dict], places: np.ndarray,
          radii: np.ndarray) -> None:
    """Write each name where it covers least of what is there already."""
    axes.figure.canvas.draw()
    scale = axes.figure.dpi / 72
    centres = axes.transData.transform(places)
    taken = [Bbox.from_bounds(cx - 4, cy - 4, 8, 8)
             for cx, cy in centres] + [axes.get_legend().get_window_extent()]
    inside = axes.get_window_extent()
    # Names of what was measured and of small circles first.
    order = sorted(
        range(len(points)),
        key=lambda i: (points[i]['source'] == 'paper', radii[i]))
    for i in order:
        best = None
        for angle in np.arange(0, 360, 30):
            for reach in (2, 12, 24):
                out = np.array(
                    [np.cos(np.radians(angle)),
                     np.sin(np.radians(angle))])
                offset = out * (radii[i] + reach)
                text = axes.annotate(
                    points[i]['name'],
                    places[i],
                    offset,
                    textcoords='offset points',
                    ha=('center', 'left',
                        'right')[int(np.sign(np.round(out[0], 2)))],
                    va='center',
                    fontsize=7)
                box = text.get_window_extent()
                cost = sum(_common(box, other) for other in taken)
                cost += 10 * (box.width * box.height - _common(box, inside))
                cost += 4 * reach * scale  # rather close by
                if best is None or cost < best[0]:
                    if best is not None:
                        best[1].remove()
                    best = (cost, text, box)
                else:
                    text.remove()
        taken.append(best[2])


def _common(a: Bbox, b: Bbox) -> float:
    both = Bbox.intersection(a, b)
    return 0. if both is None else both.width * both.height
