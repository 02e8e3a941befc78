"""Accuracy against trainable parameters, as Figure 1 of DualPath."""
from typing import Iterable, List, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

COLOURS = dict(paper='tab:gray', measured='tab:blue')
HIGHLIGHT = 'tab:orange'


def areas(macs: Iterable[float], largest: float = 1500.) -> np.ndarray:
    """Areas of circles in square points, in proportion to multiply-adds."""
    macs = np.asarray(list(macs), float)
    return largest * macs / macs.max()


def plot(points: List[dict],
         title: str = '',
         largest: float = 1500.,
         highlight: Sequence[str] = ()) -> Figure:
    """The points as circles with names.

    The area of a circle stands for the multiply-adds. Circles of source
    ``paper`` are hollow, those of source ``measured`` filled, and those of
    one's own methods in a colour of their own.

    Args:
        points: Each with ``name``, ``trainable`` (parameters), ``macs``,
            ``accuracy`` (per cent) and ``source``, and ``deviation`` (points
            of accuracy) for a bar of one standard deviation.
        title: Title of the plot.
        largest: Area of the largest circle, in square points.
        highlight: Beginnings of the names of one's own methods.

    Raises:
        ValueError: If no name begins so.
    """
    names = [p['name'] for p in points]
    for start in highlight:
        if not any(name.startswith(start) for name in names):
            raise ValueError(f'highlight={start!r}: no name begins so; there '
                             f'are {", ".join(names)}.')
    own = np.array([name.startswith(tuple(highlight)) for name in names])
    figure = Figure(figsize=(8.5, 5.5), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    x = np.array([p['trainable'] for p in points], float)
    y = np.array([p['accuracy'] for p in points])
    size = areas((p['macs'] for p in points), largest)
    for source, mine, colour, label in [
        (source, own == is_own, HIGHLIGHT if is_own else colour,
         f'{", ".join(highlight)}, {source}' if is_own else source)
            for source, colour in COLOURS.items() for is_own in (False, True)
    ]:
        mine = mine & np.array([p['source'] == source for p in points])
        if not mine.any():
            continue
        style = dict(
            facecolors='none' if source == 'paper' else colour,
            edgecolors=colour)
        axes.scatter(
            x[mine],
            y[mine],
            size[mine],
            alpha=1. if source == 'paper' else 0.6,
            linewidths=2 if colour == HIGHLIGHT else 1.2,
            **style)
        axes.scatter(  # the centre, for circles that are very small
            x[mine],
            y[mine],
            6,
            color=colour)
        axes.scatter([], [], 60, label=label, **style)
    deviations = [p.get('deviation', 0.) for p in points]
    if any(deviations):
        axes.errorbar(
            x, y, deviations, fmt='none', ecolor='0.3', elinewidth=0.8)
    axes.set_xscale('log')
    axes.margins(0.18, 0.14)
    axes.set_xlabel('trainable parameters')
    axes.set_ylabel('top-1 accuracy (%)')
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=''))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.2)
    axes.set_title(title)
    figure.legend(
        loc='outside lower center',
        ncols=2 * len(COLOURS),
        title=f'largest circle: {_number(max(p["macs"] for p in points))} '
        'multiply-adds',
        title_fontsize=8,
        fontsize=8)
    _name(axes, points, own, np.stack((x, y), 1), np.sqrt(size / np.pi))
    return figure


def _number(macs: float) -> str:
    giga = macs / 1e9
    return f'{giga:,.0f} G' if giga >= 100 else \
        f'{giga:.3g} G' if giga >= 1 else f'{macs / 1e6:.3g} M'


def _name(axes: Axes, points: List[dict], own: np.ndarray, places: np.ndarray,
          radii: np.ndarray) -> None:
    """Write each name where it covers least, with a line to its circle."""
    figure = axes.figure
    figure.canvas.draw()
    figure.set_layout_engine('none')  # from here on nothing moves
    inside = axes.get_window_extent()
    centres = axes.transData.transform(places)
    pixels = radii * figure.dpi / 72
    # Names cover circles rather than centres, and nothing rather than these.
    taken = [(Bbox.from_extents(x - reach, y - reach, x + reach,
                                y + reach), weight)
             for (x, y), radius in zip(centres, pixels)
             for reach, weight in ((4, 3.), (0.8 * radius, 0.3))]
    # One's own names, those of what was measured and of small circles first.
    order = sorted(
        range(len(points)),
        key=lambda i: (not own[i], points[i]['source'] == 'paper', radii[i]))
    for i in order:
        best = None
        for angle in np.arange(0, 360, 30):
            way = np.round(
                [np.cos(np.radians(angle)),
                 np.sin(np.radians(angle))], 6)
            for reach in (3, 12, 24, 40, 60):
                text = axes.annotate(
                    points[i]['name'],
                    places[i],
                    way * (radii[i] + reach),
                    textcoords='offset points',
                    ha=('center', 'left', 'right')[int(np.sign(way[0]))],
                    va=('center', 'bottom', 'top')[int(np.sign(way[1]))],
                    fontsize=9 if own[i] else 8,
                    weight='bold' if own[i] else 'normal')
                box = text.get_window_extent().padded(2)
                cost = sum(weight * _common(box, other)
                           for other, weight in taken)
                cost += 10 * (box.width * box.height - _common(box, inside))
                cost += 3 * reach * figure.dpi / 72  # rather close by
                ends = np.clip(centres, box.min, box.max)
                gaps = np.hypot(*(ends - centres).T) - pixels
                unclear = np.delete(gaps, i).min(initial=np.inf) < gaps[i] + 8
                cost += 300 * unclear  # rather its own than another's
                if best is None or cost < best[0]:
                    line = unclear or reach > 12
                    best = (cost, line, ends[i], box, text)
                text.remove()
        _, line, end, box, text = best
        axes.add_artist(text)
        if line:
            axes.annotate(
                '',
                places[i], (end - centres[i]) * 72 / figure.dpi,
                textcoords='offset points',
                arrowprops=dict(
                    arrowstyle='-', color='0.3', lw=0.5, shrinkA=0, shrinkB=0))
        taken.append((box, 3.))


def _common(a: Bbox, b: Bbox) -> float:
    both = Bbox.intersection(a, b)
    return 0. if both is None else both.width * both.height
