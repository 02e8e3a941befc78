"""Predictions drawn: on the frames of a video, and over its time.

Nothing here needs torch or a package of OpenMMLab.
"""
from fractions import Fraction
from pathlib import Path
from typing import Dict, Iterable, Iterator, Sequence, Union

import av
import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from ..apis.videos import lines_of, prediction_at


def as_image(figure: Figure) -> np.ndarray:
    """A figure as an array ``(H, W, 3)``."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


def save(figure: Figure, path: Union[str, Path], dpi: int = 120) -> None:
    """Write a figure as a PNG of few colours, which keeps it small."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.set_dpi(dpi)
    image = Image.fromarray(as_image(figure))
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def drawn(result: Dict, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Frames of a video with the prediction of its time on each.

    Args:
        result: What ``predict`` returns.
        frames: All frames of the video.
    """
    for number, frame in enumerate(frames):
        predictions = prediction_at(result['windows'], number / result['fps'])
        yield draw_lines(legible(frame), lines_of(predictions))


def legible(frame: np.ndarray, least: int = 240) -> np.ndarray:
    """A frame, repeated in pixels if it is too small to write on."""
    factor = -(-least // min(frame.shape[:2]))
    return frame.repeat(factor, 0).repeat(factor, 1)


def font(size: int) -> ImageFont.FreeTypeFont:
    """The font that matplotlib brings along."""
    path = Path(matplotlib.get_data_path()) / 'fonts/ttf/DejaVuSans.ttf'
    return ImageFont.truetype(str(path), size)


def draw_lines(image: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Lines of text in the upper left corner of a picture.

    Args:
        image: ``(H, W, 3)`` uint8.
        lines: Text, shortened where it is wider than the picture.
    """
    height, width = image.shape[:2]
    size = max(9, min(height, width) // 22)
    letters = font(size)
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas, 'RGBA')
    fitting = [_shorten(line, letters, width - size) for line in lines]
    wide = max((letters.getlength(line) for line in fitting), default=0)
    draw.rectangle((0, 0, wide + size, (len(lines) + 0.4) * 1.25 * size),
                   fill=(0, 0, 0, 140))
    for i, line in enumerate(fitting):
        draw.text((size / 2, (i + 0.2) * 1.25 * size),
                  line,
                  font=letters,
                  fill=(255, 255, 255) if i == 0 else (210, 210, 210))
    return np.asarray(canvas)


def _shorten(line: str, letters: ImageFont.FreeTypeFont, width: float) -> str:
    if letters.getlength(line) <= width:
        return line
    while line and letters.getlength(line + '…') > width:
        line = line[:-1]
    return line + '…'


def write_video(path: Union[str, Path], frames: Iterable[np.ndarray],
                fps: float) -> None:
    """Write frames ``(H, W, 3)`` as a video that any player plays.

    H.264 where PyAV has it, else MPEG-4; an odd last row or column is cut
    off, which both demand.

    Args:
        path: File to write.
        frames: RGB frames of one size.
        fps: Frames per second.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = 'libx264' if 'libx264' in av.codecs_available else 'mpeg4'
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(
            codec, rate=Fraction(fps).limit_denominator(1001))
        stream.pix_fmt = 'yuv420p'
        for i, frame in enumerate(frames):
            height, width = (s // 2 * 2 for s in frame.shape[:2])
            if i == 0:
                stream.height, stream.width = height, width
            frame = np.ascontiguousarray(frame[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())


def timeline(result: dict, rows: int = 5) -> Figure:
    """Scores of the best classes over the time of a video.

    Args:
        result: What ``VideoInferencer.predict`` returns.
        rows: Classes that are drawn at most.
    """
    windows = result['windows']
    best: Dict[str, float] = {}
    for window in windows:
        for p in window['predictions']:
            best[p['label']] = max(best.get(p['label'], 0.), p['score'])
    names = sorted(best, key=best.get, reverse=True)[:rows]
    # Windows overlap: each stands for the time around its middle.
    middles = [(w['start'] + w['end']) / 2 for w in windows]
    end = result['frames'] / result['fps']
    edges = [windows[0]['start']
             ] + [(a + b) / 2 for a, b in zip(middles, middles[1:])] + [end]
    scores = np.array([[
        next((p['score'] for p in w['predictions'] if p['label'] == name), 0.)
        for w in windows
    ] for name in names])

    figure = Figure(figsize=(9, 1.2 + 0.35 * len(names)), layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    mesh = axes.pcolormesh(
        edges,
        np.arange(len(names) + 1),
        scores,
        cmap='Blues',
        vmin=0,
        vmax=1,
        edgecolors='white',
        linewidth=0.5)
    axes.set_yticks(
        np.arange(len(names)) + 0.5,
        [n if len(n) < 40 else n[:39] + '…' for n in names])
    axes.invert_yaxis()
    axes.set_xlabel('seconds')
    axes.set_title(Path(result['video']).name, fontsize=10)
    figure.colorbar(mesh, ax=axes, label='score', fraction=0.03, pad=0.01)
    return figure
