"""What there is to train on, looked at and split."""
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...datasets.bad_videos import BadVideoReport
from ...datasets.checking import Look, check_videos
from ...datasets.collection import (Video, classes_of, is_video_name,
                                    read_collection)
from ...datasets.splitting import group_videos, split_videos
from ...fileio import whole_file


@dataclass
class Data:
    """Videos that can be read, split.

    Attributes:
        videos: All of them.
        looks: What was seen of each.
        groups: What must stay on one side, of each.
        train: Numbers of those to train on.
        val: Numbers of those to validate.
        classes: Names.
        grouping: How recordings were told apart.
        unreadable: Reasons by path.
        misnamed: What a file is, by path, that is called otherwise.
        others: Files that are no videos.
    """
    videos: List[Video]
    looks: List[Look]
    groups: List[str]
    train: List[int]
    val: List[int]
    classes: List[str]
    grouping: str
    unreadable: Dict[str, str] = field(default_factory=dict)
    misnamed: Dict[str, str] = field(default_factory=dict)
    others: List[str] = field(default_factory=list)

    @property
    def several(self) -> bool:
        """Whether a video may have several labels."""
        return any(len(video.labels) != 1 for video in self.videos)

    @property
    def root(self) -> Path:
        """The folder that all videos are in."""
        folders = [
            os.path.dirname(os.path.abspath(v.path)) for v in self.videos
        ]
        return Path(os.path.commonpath(folders))

    def labels(self, numbers: Sequence[int]) -> List[List[int]]:
        """Numbers of the classes of some videos."""
        place = {name: i for i, name in enumerate(self.classes)}
        return [[place[n] for n in self.videos[i].labels] for i in numbers]

    def counts(self, numbers: Sequence[int]) -> List[int]:
        """How many of some videos each class has."""
        found = Counter(n for row in self.labels(numbers) for n in row)
        return [found[i] for i in range(len(self.classes))]

    def show(self, console: Console) -> None:
        """Print what there is."""
        title = f'{len(self.videos)} videos of {len(self.classes)} classes'
        table = Table(title=title, title_justify='left')
        for name in ('class', 'train', 'val', 'seconds', 'frames', 'pixels'):
            table.add_column(
                name, justify='left' if name == 'class' else 'right')
        train, val = self.counts(self.train), self.counts(self.val)
        rows = [[
            k for v, k in zip(self.videos, self.looks) if name in v.labels
        ] for name in self.classes]
        for name, *numbers, looks in zip(self.classes, train, val, rows):
            table.add_row(name, *map(str, numbers), *_sizes(looks))
        if len(self.classes) > 1:
            table.add_section()
            table.add_row('all', str(len(self.train)), str(len(self.val)),
                          *_sizes(self.looks))
        console.print(table)
        console.print(
            f'Recordings are told apart {self.grouping}.'
            if not self.grouping.startswith('each') else
            f'Recordings: {self.grouping}.',
            highlight=False)
        for path, kind in self.misnamed.items():
            console.print(
                f'{path} is {kind}, whatever its name says: it is '
                'read as that.',
                highlight=False)
        for path, reason in self.unreadable.items():
            console.print(
                f'{path} cannot be read and is left out: {reason}',
                highlight=False)
        if self.others:
            console.print(
                f'{len(self.others)} files are no videos, such as '
                f'{self.others[0]}.',
                highlight=False)


def _sizes(looks: Sequence[Look]) -> Tuple[str, str, str]:
    """Ranges of lengths, and the most frequent size."""

    def span(values: List[float], form: str) -> str:
        low, high = (format(v, form) for v in (min(values), max(values)))
        return low if low == high else f'{low} to {high}'

    sizes = Counter(f'{k.width}x{k.height}' for k in looks).most_common()
    more = f' +{len(sizes) - 1}' if len(sizes) > 1 else ''
    return (span([k.seconds for k in looks],
                 '.1f'), span([k.frames for k in looks],
                              'd'), f'{sizes[0][0]}{more}')


def find_data(source: Path,
              out: Path,
              val: Optional[Path] = None,
              root: Optional[Path] = None,
              labels: Optional[Path] = None,
              group: str = 'auto',
              val_share: float = 0.2,
              processes: Optional[int] = None,
              console: Optional[Console] = None) -> Data:
    """Read a collection, look at each of its videos, and split it.

    What could be read stands in ``found.json`` and is not read again;
    ``unreadable.tsv`` lists what cannot be read.

    Args:
        source: See :func:`read_collection`.
        out: Folder to write to.
        val: Another collection, to validate.
        root: What paths of lists begin in.
        labels: File with a name of a class per line, for lists of numbers.
        group: See :func:`group_videos`.
        val_share: Of the videos, where the lists do not split them.
        processes: That read videos; by default one a core.
        console: Where progress is shown.

    Raises:
        ValueError: If there are no two classes with two readable videos each,
            or the videos cannot be split.
    """
    names = labels.read_text(encoding='utf-8').split('\n') if labels else None
    names = [n for n in names if n.strip()] if names else None
    videos = read_collection(source, root, names)
    if val is not None:
        videos = [v._replace(split='train') for v in videos] + [
            v._replace(split='val') for v in read_collection(val, root, names)
        ]
    looks = _looked_at([v.path for v in videos], out, processes, console)
    others, unreadable, kept = [], {}, []
    for video in videos:
        look = looks[video.path]
        is_still = not look.fault and look.frames < 2
        if not is_video_name(video.path) and (look.fault or is_still):
            others.append(video.path)
        elif look.fault:
            unreadable[video.path] = look.fault
        else:
            kept.append(video)
    report = BadVideoReport(out / 'unreadable.tsv')
    for path, reason in unreadable.items():
        report.add(path, reason)
    classes = classes_of(kept)
    if names and set(classes) <= set(names):
        classes = names
    few = [
        n for n, count in Counter(n for v in kept for n in v.labels).items()
        if count < 2
    ]
    if len(classes) < 2 or few:
        raise ValueError(
            f'{source} has {len(kept)} videos that can be read, of the '
            f'classes {", ".join(classes) or "none"}' +
            (f'; of {", ".join(few)} there is only one' if few else '') +
            ': give at least two classes of two videos each.' +
            ''.join(f' {p}: {r}' for p, r in list(unreadable.items())[:3]))
    groups, grouping = group_videos(kept, group)
    splits = {v.split for v in kept}
    numbers = {n: i for i, n in enumerate(classes)}
    if splits == {'train', 'val'}:
        sides = [[i for i, v in enumerate(kept) if v.split == s]
                 for s in ('train', 'val')]
        grouping = 'as the lists split them'
    else:
        sides = split_videos([[numbers[n] for n in v.labels] for v in kept],
                             groups, val_share)
    seen = [looks[v.path] for v in kept]
    return Data(kept, seen, groups, *sides, classes, grouping, unreadable, {
        v.path: k.container
        for v, k in zip(kept, seen) if k.container
    }, others)


def _looked_at(paths: Sequence[str], out: Path, processes: Optional[int],
               console: Console) -> Dict[str, Look]:
    file = out / 'found.json'
    known = {}
    if file.is_file():
        before = json.loads(file.read_text())
        # What could not be read may have been repaired.
        known = {p: Look(*k) for p, k in before.items() if not Look(*k).fault}

    def save() -> None:
        with whole_file(file) as part:
            part.write_text(json.dumps(known, indent=0) + '\n')

    new = [p for p in paths if p not in known]
    answers = check_videos(new, processes or os.cpu_count() or 1)
    for number, (path, look) in enumerate(
            track(answers, 'Looking at videos', len(new), console=console)
            if new else (), 1):
        known[path] = look
        if number % 256 == 0:
            save()
    save()
    return known
