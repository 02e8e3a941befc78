"""One page of HTML about a model, which needs nothing besides itself."""
import base64
import io
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import (Any, Dict, List, Mapping, NamedTuple, Optional, Sequence,
                    Tuple, Union)

import cv2
import jinja2
import numpy as np
from mmaction.models import BaseRecognizer
from PIL import Image
from torch import Tensor

from ..analysis import verdict
from ..analysis.scores import (Answers, Estimate, bootstrap, calibration,
                               difference, estimate, value_of, wilson)
from .pictures import side_by_side
from .predictions import write_video
from .sheets import drawn_path, path_inputs

TEMPLATE = Path(__file__).with_suffix('.html')
# More classes than these are a picture of the matrix without numbers.
MOST_IN_TABLE = 25
MOST_PAIRS = 20

# By name: a figure, or answers to the videos of a page.
Compared = Mapping[str, Union[float, Answers]]


class Picture(NamedTuple):
    """A picture of a page.

    Attributes:
        caption: What it is.
        uri: Its content as a ``data:`` address.
    """
    caption: str
    uri: str


@dataclass
class Mistake:
    """A video that a model was wrong about.

    Attributes:
        path: Its file.
        confidence: How sure the model was.
        truth: Names of its labels.
        predictions: Name, score and whether it is right of the best classes
            and the labels.
        video: The video as a ``data:`` address.
        sheets: What the model read.
    """
    path: str
    confidence: float
    truth: List[str]
    predictions: List[Tuple[str, float, bool]]
    video: str
    sheets: List[Picture]


@dataclass
class Page:
    """What a page is about.

    Attributes:
        title: Name of the config.
        checkpoint: Name of the checkpoint.
        ann_file: List of the test videos.
        names: Of the classes.
        answers: What the model says of the videos that could be read.
        unreadable: Why others could not be read, by path.
        orders: Answers of the same videos with frames in the order
            ``ordinary``, ``shuffled`` and ``reversed``; empty if they were
            not read.
        compare: Others by name: their figure, or what they answer of
            ``answers``' videos.
        metric: What counts; by default the main figure.
        mistakes: The most confident ones.
        commands: What to type, by what it does.
        written: When and by what.
    """
    title: str
    checkpoint: str
    ann_file: str
    names: Sequence[str]
    answers: Answers
    unreadable: Dict[str, str] = field(default_factory=dict)
    orders: Dict[str, Answers] = field(default_factory=dict)
    compare: Compared = field(default_factory=dict)
    metric: str = ''
    mistakes: List[Mistake] = field(default_factory=list)
    commands: List[Tuple[str, str]] = field(default_factory=list)
    written: str = ''


def render(page: Page) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True)
    environment.filters.update(percent=percent, points=points)
    template = environment.from_string(TEMPLATE.read_text(encoding='utf-8'))
    answers = page.answers
    bins, error, excess = calibration(answers)
    return template.render(
        page=page,
        videos=len(answers),
        figures=figures(answers),
        classes=class_rows(answers, page.names),
        matrix=confusion_table(answers)
        if len(page.names) <= MOST_IN_TABLE else None,
        picture=confusion_picture(answers),
        cells=confused_cells(answers),
        pairs=confused_pairs(answers, page.names),
        bins=bins,
        error=error,
        excess=excess,
        time=effect_of_time(page))


def percent(value: float, digits: int = 1) -> str:
    """A share as per cent; a dash where there is none."""
    return '–' if np.isnan(
        value) else f'{100 * value:.{digits}f}\N{NO-BREAK SPACE}%'


def points(value: float) -> str:
    """A difference of shares in points."""
    return f'{100 * value:.1f}'


def figures(answers: Answers) -> List[Tuple[str, Estimate, str]]:
    """What is said first: name, estimate, and how it is meant."""
    total = len(answers)
    name, statistic, resamples = answers.main
    f1 = ('macro-F1', bootstrap(answers.macro_f1,
                                total), 'mean F1 of the classes')
    if answers.several:
        return [
            (name, answers.main_estimate(),
             'mean area under precision and recall of the classes'),
            f1,
            ('all labels right', wilson(answers.right.sum(), total),
             'exactly its labels score 0.5 and more'),
            ('best class is a label', wilson(answers.within(1).sum(), total),
             'the class that scores highest'),
        ]
    found = [(name, answers.main_estimate(),
              'videos whose best class is right'),
             ('mean class accuracy',
              bootstrap(answers.mean_class_accuracy,
                        total), 'mean recall of the classes'), f1]
    if answers.scores.shape[1] > 10:
        found.append(('top-5 accuracy', wilson(answers.within(5).sum(), total),
                      'videos whose class is among the best five'))
    return found


class ClassRow(NamedTuple):
    """A class in the table of classes; NaN where nothing can be said."""
    name: str
    videos: int
    precision: float
    recall: float
    f1: float
    average_precision: Optional[float]


def class_rows(answers: Answers, names: Sequence[str]) -> List[ClassRow]:
    """The classes in their order."""
    once = np.ones((1, len(answers)), int)
    rates = {k: v[0] for k, v in answers.rates(once).items()}
    areas = answers.average_precisions(once)[0] if answers.several else None
    return [
        ClassRow(name, int(answers.truth[:, i].sum()),
                 float(rates['precision'][i]), float(rates['recall'][i]),
                 float(rates['f1'][i]),
                 None if areas is None else float(areas[i]))
        for i, name in enumerate(names)
    ]


def confusion_table(answers: Answers) -> List[List[Tuple[int, float]]]:
    """Number of videos, and share of the row, in each cell."""
    counts = answers.confusion()
    shares = counts / np.maximum(answers.truth.sum(0)[:, None], 1)
    return [[*zip(row.tolist(), share.tolist())]
            for row, share in zip(counts, shares)]


def confusion_picture(answers: Answers) -> str:
    """The shares as a transparent picture, a pixel or more a cell."""
    counts = answers.confusion()
    shares = counts / np.maximum(answers.truth.sum(0)[:, None], 1)
    image = np.zeros((*shares.shape, 4), np.uint8)
    right = np.eye(len(shares), dtype=bool)
    # As --good and --bad of the page; the root makes single videos visible.
    image[..., :3] = np.where(right[..., None], (47, 129, 200), (217, 108, 6))
    image[..., 3] = np.round(255 * np.sqrt(np.clip(shares, 0, 1)))
    factor = -(-400 // len(shares))
    return _uri(
        Image.fromarray(image.repeat(factor, 0).repeat(factor, 1)), 'PNG')


def confused_cells(answers: Answers) -> str:
    """The cells of the matrix that are not 0, ``row,column,videos;...``."""
    counts = answers.confusion()
    return ';'.join(f'{i},{j},{counts[i, j]}' for i, j in np.argwhere(counts))


def confused_pairs(answers: Answers,
                   names: Sequence[str]) -> List[Tuple[str, str, int, float]]:
    """The class, what it is taken for, how often, and which share of it."""
    counts = answers.confusion()
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind='stable')[:MOST_PAIRS]
    totals = answers.truth.sum(0)
    pairs = zip(*np.unravel_index(order, counts.shape))
    return [(names[i], names[j], int(counts[i, j]),
             float(counts[i, j] / totals[i])) for i, j in pairs
            if counts[i, j]]


@dataclass
class TimeEffect:
    """What the order of frames does to the main figure.

    Attributes:
        name: Of the figure.
        videos: Number of videos.
        figures: Estimates by order.
        compare: Figures of others.
        verdict: What it means.
    """
    name: str
    videos: int
    figures: Dict[str, Estimate]
    compare: Dict[str, float]
    verdict: List[str]


def effect_of_time(page: Page) -> Optional[TimeEffect]:
    """Compare a model with itself on frames in another order, and others.

    Figures of the model and of others that answered the same videos are
    compared video by video; a figure alone counts as exact.
    """
    if not page.orders:
        return None
    ordinary, answers = page.orders['ordinary'], page.answers
    name = page.metric or ('mean average precision'
                           if answers.several else 'top-1')
    figure = estimate(answers, name)
    gains = {
        other:
        difference(answers, value, name)
        if isinstance(value, Answers) else Estimate(*(v - value
                                                      for v in figure))
        for other, value in page.compare.items()
    }
    compared = {
        other: value_of(value, name) if isinstance(value, Answers) else value
        for other, value in page.compare.items()
    }
    orders = {
        order: difference(ordinary, other, name)
        for order, other in page.orders.items() if order != 'ordinary'
    }
    return TimeEffect(name, len(ordinary), {
        k: estimate(v, name)
        for k, v in page.orders.items()
    }, compared, [
        *verdict.on_order(orders, name, len(ordinary)),
        *verdict.on_others(gains, name, len(answers))
    ])


# ---- pictures ---------------------------------------------------------------


def _uri(content: Union[bytes, Image.Image], kind: str) -> str:
    """A ``data:`` address of a file's content."""
    if isinstance(content, Image.Image):
        buffer = io.BytesIO()
        content.save(
            buffer, kind,
            **(dict(quality=80) if kind == 'WEBP' else dict(optimize=True)))
        content, kind = buffer.getvalue(), f'image/{kind.lower()}'
    return f'data:{kind};base64,{base64.b64encode(content).decode()}'


def _fitted(image: np.ndarray, short: int) -> np.ndarray:
    """An image whose shorter side has at most so many pixels."""
    height, width = image.shape[:2]
    scale = short / min(height, width)
    if scale >= 1:
        return image
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def thumbnail(reader: Any, short: int = 144, most: int = 64) -> str:
    """A small video of a video, as long as it, as a ``data:`` address.

    Args:
        reader: An open video, see ``datasets.decoding.open_video``.
        short: Pixels of the shorter side at most.
        most: Frames at most, spread over the video.
    """
    total = len(reader)
    keep = np.linspace(0, total - 1, min(total, most)).round().astype(int)
    fps = reader.get_avg_fps() or 25.
    frames = (_fitted(f, short) for f in reader.get_batch(keep).asnumpy())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'thumbnail.mp4')
        write_video(path, frames, max(1., fps * len(keep) / total))
        return _uri(path.read_bytes(), 'video/mp4')


def what_is_read(model: BaseRecognizer,
                 inputs: Union[Tensor, Mapping[str, Tensor]],
                 clip_len: Optional[int] = None,
                 most: int = 16) -> List[Picture]:
    """What a model reads of the first clip of a batch.

    Args:
        model: A recognizer.
        inputs: What its data preprocessor puts out.
        clip_len: Frames of a clip, for a model that reads the frames of all
            clips and crops beside each other. None takes them all.
        most: Frames that are drawn at most, spread over the clip.
    """
    sheets = []
    paths = path_inputs(inputs, model.data_preprocessor)
    for path in paths:
        images, grid = drawn_path(model, paths, path)
        if grid is None:
            images = images[:clip_len]
            total = len(images)
            keep = np.linspace(0, total - 1, min(total, most)).round()
            images = images[keep.astype(int)]
            what = 'spatial frames' if path == 'spatial' else 'frames'
            caption = f'{len(images)} of {total} {what}' \
                if len(images) < total else f'{total} {what}'
            images = [_fitted(image, 96) for image in images]
            picture = side_by_side(
                images, per_row=len(images) if len(images) < 5 else 4)
        else:
            rows, columns = grid
            caption = (f'{len(images)} frameset{"s" * (len(images) > 1)} of '
                       f'{rows} × {columns} frames, row by row in time')
            picture = side_by_side([_fitted(image, 256) for image in images])
        sheets.append(Picture(caption, _uri(Image.fromarray(picture), 'WEBP')))
    return sheets
