"""Training and validation videos, with no recording on both sides."""
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Sequence, Set, Tuple

import numpy as np

from .collection import Video

Sides = Tuple[List[int], List[int]]

# The end of a name that tells takes of one recording apart; what is in front
# of it must hold a number, or the end a word that says so.
TAKE = re.compile(
    r'(?P<said>.+?)[ _.-]+(take|clip|part|seg|segment|cut|rep|repetition|'
    r'trial|view|cam|camera)[ _.-]?\d+$'
    r'|(?P<counted>.*\d.*?)[ _.-]+[a-z]?\d+$', re.I)


def recording_of(path: str) -> str:
    """What a file's name says that it is a take of; itself otherwise.

    ``person01_take2.mp4`` and ``person01_3.mp4`` are takes of ``person01``,
    ``v_Archery_g07_c02.avi`` of ``v_Archery_g07``; ``video_003.mp4`` of
    nothing.
    """
    stem = Path(path).stem
    found = TAKE.match(stem)
    return (found['said'] or found['counted']) if found else stem


def group_videos(videos: Sequence[Video],
                 rule: str = 'auto') -> Tuple[List[str], str]:
    """What must stay on one side of a split.

    Args:
        videos: All.
        rule: ``auto``: what the list says, or else the names of the files
            (:func:`recording_of`); ``none``: each video by itself; or a
            regular expression for names, whose first group counts.

    Returns:
        A name for each video, and a sentence on where they are from.

    Raises:
        ValueError: If the expression is none, or fits no name.
    """
    alone = [video.path for video in videos]
    if rule == 'none':
        return alone, 'each video by itself, as asked for'
    if rule != 'auto':
        try:
            pattern = re.compile(rule)
        except re.error as error:
            raise ValueError(f'group={rule!r} is no regular expression '
                             f'({error}), nor auto nor none.') from None
        found = [pattern.search(Path(v.path).name) for v in videos]
        if not any(found):
            raise ValueError(f'group={rule!r} fits none of the names, such '
                             f'as {Path(videos[0].path).name}.')
        # A group that takes no part in a match tells nothing.
        told = [m and (m[1] if pattern.groups else m[0]) or '' for m in found]
        alone = [v.path for v, name in zip(videos, told) if not name]
        said = f'; {len(alone)} that it says nothing of stand each by ' \
            f'itself, such as {Path(alone[0]).name}' if alone else ''
        return [name or v.path for v, name in zip(videos, told)], \
            f'by the names of the files, {rule}{said}'
    if any(video.group for video in videos):
        return [v.group or v.path for v in videos], 'as the list says'
    groups = [recording_of(video.path) for video in videos]
    if len(set(groups)) == len(set(alone)):
        return alone, ('each video by itself: no name tells takes of one '
                       'recording; --group tells it')
    # Every class needs recordings on both sides.
    sides: Dict[str, Set[str]] = {}
    for video, group in zip(videos, groups):
        for name in video.labels:
            sides.setdefault(name, set()).add(group)
    few = [name for name, found in sides.items() if len(found) < 2]
    if few:
        return alone, (f'each video by itself: by their names all of '
                       f'{few[0]} were one recording; --group tells it')
    example = Counter(groups).most_common(1)[0][0]
    return groups, f'by the names of the files, such as all takes of {example}'


def split_videos(labels: Sequence[Sequence[int]],
                 groups: Sequence[str],
                 share: float = 0.2,
                 tries: int = 20) -> Sides:
    """Put whole groups on two sides, with every class on both.

    Of several draws the one counts whose share of each class is nearest to
    what is asked for.

    Args:
        labels: Classes of each video.
        groups: What of it must stay together.
        share: Of the videos of each class that are to validate.
        tries: Draws.

    Returns:
        Numbers of the videos to train on, and of those to validate.

    Raises:
        ValueError: If the share is none, there is one group only, or some
            class cannot be trained on.
    """
    if not 0 < share <= 0.5:
        raise ValueError(f'A share of {share:g} to validate: it is more than '
                         '0 and at most 0.5.')
    if len(set(groups)) < 2:
        raise ValueError(
            f'All {len(groups)} videos are of one recording, {groups[0]!r}: '
            'they cannot train and validate. Tell recordings apart with '
            '--group, or take --group none.')
    totals = Counter(label for row in labels for label in row)

    def cost(val: Sequence[int]) -> float:
        there = Counter(label for i in val for label in labels[i])
        return sum(
            abs(there[label] / total - share) + 2 * (there[label] == 0) + 100 *
            (there[label] == total) for label, total in totals.items())

    drawn = draws_of(labels, groups, share, tries)
    train, val = min(drawn, key=lambda sides: cost(sides[1]))
    trained = {label for i in train for label in labels[i]}
    if trained != set(totals):
        raise ValueError(
            'Of some classes all videos are of one recording, so that none is '
            'left to train on: those numbered '
            f'{sorted(set(totals) - trained)}. Add videos, or take --group '
            'none.')
    return list(train), list(val)


def draws_of(labels: Sequence[Sequence[int]], groups: Sequence[str],
             share: float, tries: int) -> Iterator[Sides]:
    """Splits by scikit-learn, stratified if each video has one label."""
    GroupShuffleSplit, _ = _splitters()
    if all(len(row) == 1 for row in labels):
        for seed in range(-(-tries // max(2, round(1 / share)))):
            yield from folds_of(labels, groups, max(2, round(1 / share)), seed)
    else:
        yield from _split(
            GroupShuffleSplit(5 * tries, test_size=share, random_state=0),
            [0] * len(labels), groups)


def folds_of(labels: Sequence[Sequence[int]],
             groups: Sequence[str],
             folds: int = 3,
             seed: int = 0) -> List[Sides]:
    """Folds of whole groups, each of which is held out once.

    By the rarest label of each video where there are several. There are fewer
    folds where no class has as many videos.
    """
    _, StratifiedGroupKFold = _splitters()
    totals = Counter(label for row in labels for label in row)
    flat = [min(row, key=totals.__getitem__) for row in labels]
    most = max(Counter(flat).values())
    if most < 2:  # nothing to stratify by
        flat, most = [0] * len(flat), len(flat)
    folds = min(folds, len(set(groups)), most)
    return list(
        _split(
            StratifiedGroupKFold(folds, shuffle=True, random_state=seed), flat,
            groups))


def _splitters() -> Tuple[type, type]:
    """Two classes of scikit-learn.

    Raises:
        ImportError: If it is not installed.
    """
    try:
        from sklearn.model_selection import (GroupShuffleSplit,
                                             StratifiedGroupKFold)
    except ImportError as error:
        raise ImportError('Splitting videos needs scikit-learn: pip install '
                          'mmdualpath[fit].') from error
    return GroupShuffleSplit, StratifiedGroupKFold


def _split(splitter: Any, labels: Sequence[int],
           groups: Sequence[str]) -> Iterator[Sides]:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of classes with fewer than folds
        drawn = list(splitter.split(np.zeros(len(labels)), labels, groups))
    return ((train.tolist(), val.tolist()) for train, val in drawn)
