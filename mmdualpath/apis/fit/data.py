"""What there is to train on, looked at and split."""
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from rich.console import Console
from rich.progress import track
from rich.table import Table

from ...datasets.bad_videos import BadVideoReport
from ...datasets.checking import Look, check_videos
from ...datasets.collection import (Video, class_folders, classes_of,
                                    is_video_name, merged, read_collection,
                                    read_names)
from ...datasets.splitting import group_videos, split_videos
from . import runs

MOST_NAMED = 10  # files that are named on the screen
STAMP = ('size', 'mtime_ns')


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
        notes: Sentences on what may not be meant.
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
    notes: List[str] = field(default_factory=list)

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
        said = [
            f'Recordings are told apart {self.grouping}.'
            if not self.grouping.startswith('each') else
            f'Recordings: {self.grouping}.', *self.notes
        ]
        unseen = [n for n, count in zip(self.classes, val) if not count]
        if unseen:
            more = ' and others' if len(unseen) > MOST_NAMED else ''
            said.append('Nothing validates '
                        f'{", ".join(unseen[:MOST_NAMED])}{more}.')
        said += _first([
            f'{path} is {kind}, whatever its name says: it is read as that.'
            for path, kind in self.misnamed.items()
        ], 'are called otherwise than they are')
        said += _first([
            f'{path} cannot be read and is left out: {reason}'
            for path, reason in self.unreadable.items()
        ], 'cannot be read: unreadable.tsv lists them')
        if self.others:
            said.append(f'{len(self.others)} files are no videos, such as '
                        f'{self.others[0]}.')
        for sentence in said:
            console.print(sentence, highlight=False, soft_wrap=True)


def _first(sentences: List[str], more: str) -> List[str]:
    """The first of them, and how many more there are."""
    left = len(sentences) - MOST_NAMED
    return sentences[:MOST_NAMED] + [f'{left} more {more}.'] * (left > 0)


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
            the videos cannot be split, or a given split is half of one.
    """
    names = read_names(labels) if labels else None
    videos = read_collection(source, root, names)
    if val is not None:
        videos = _with_val(videos, source, read_collection(val, root, names))
    splits = {v.split for v in videos}
    if '' in splits and len(splits) > 1:
        unsplit = next(v.path for v in videos if not v.split)
        raise ValueError(f'{source} puts some videos on a side of the split '
                         f'and others not, such as {unsplit}.')
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
    report.path.unlink(missing_ok=True)  # some may have been repaired
    for path, reason in unreadable.items():
        report.add(path, reason)
    classes = classes_of([v for v in videos if v.path in unreadable] + kept)
    count = Counter(n for v in kept for n in v.labels)
    few = [f'{count[n] or "none"} of {n}' for n in classes if count[n] < 2]
    if len(classes) < 2 or few:
        raise ValueError(
            f'{source} has {len(kept)} videos that can be read, of the '
            f'classes {", ".join(classes) or "none"}' +
            (f', but {" and ".join(few)}' if few else '') +
            ': give at least two classes of two videos each.' +
            _deeper(source, classes) +
            ''.join(f' {p}: {r}' for p, r in list(unreadable.items())[:3]))
    if names and set(classes) <= set(names):
        classes = names
    groups, grouping = group_videos(kept, group)
    numbers = {n: i for i, n in enumerate(classes)}
    if splits == {'train', 'val'}:
        sides = [[i for i, v in enumerate(kept) if v.split == s]
                 for s in ('train', 'val')]
        trained, tested = ({n
                            for i in side
                            for n in kept[i].labels} for side in sides)
        if not tested or tested - trained:
            raise ValueError(
                'There are no videos to train on of '
                f'{", ".join(sorted(tested - trained))}, which are to '
                'validate: list some, or leave these out.' if tested else
                f'None of the {sum(v.split == "val" for v in videos)} videos '
                'that are to validate can be read.')
        grouping = 'as they are split already'
    else:
        sides = split_videos([[numbers[n] for n in v.labels] for v in kept],
                             groups, val_share)
    seen = [looks[v.path] for v in kept]
    return Data(kept, seen, groups, *sides, classes, grouping, unreadable, {
        v.path: k.container
        for v, k in zip(kept, seen) if k.container
    }, others, _notes([source, *([val] if val else [])], kept, seen))


def _with_val(train: Sequence[Video], source: Path,
              val: Sequence[Video]) -> List[Video]:
    """Videos of two collections, each on its side.

    Raises:
        ValueError: If the first one is split, or they share a video.
    """
    if any(v.split == 'val' for v in train):
        raise ValueError(f'{source} has videos to validate already: give '
                         'those to train on alone, or no --val.')
    return merged([v._replace(split='train')
                   for v in train] + [v._replace(split='val') for v in val])


def _deeper(source: Path, classes: Sequence[str]) -> str:
    """Where the folders of classes may be, if one alone was found."""
    folders = class_folders(source) if source.is_dir() else []
    if len(classes) != 1 or not any(p.is_dir() for f, _ in folders
                                    for p in f.iterdir()):
        return ''
    return (f' If the folders in {folders[0][0]} are classes, give that '
            'instead.')


def _notes(sources: Sequence[Path], videos: Sequence[Video],
           looks: Sequence[Look]) -> List[str]:
    """What was read in a way that may not be meant."""
    notes = []
    several = [v for v in videos if len(v.labels) > 1]
    if several:
        path, labels, *_ = several[0]
        notes.append(f'{len(several)} of {len(videos)} videos have several '
                     f'labels, such as {path} ({", ".join(labels)}): each '
                     'class is learned by itself.')
    folders = [
        f for s in sources if Path(s).is_dir() for f, _ in class_folders(s)
    ]
    known = set(folders)
    within = {v.path: known & {*Path(v.path).parents} for v in videos}
    deep = [p for p, found in within.items() if found - {Path(p).parent}]
    if deep:
        notes.append(f'{len(deep)} videos lie deeper than the folders of the '
                     f'classes, such as {deep[0]}.')
    names = {f.name for found in within.values() for f in found}
    bare = [str(f) for f in folders if f.name not in names]
    if bare:
        notes.append(f'No videos are in {", ".join(bare)}: these are no '
                     'classes.')
    still = [v.path for v, look in zip(videos, looks) if look.frames < 2]
    if still:
        notes.append(f'{len(still)} videos have a single frame, such as '
                     f'{still[0]}: nothing moves in them.')
    return notes


def _stamp(path: str) -> Dict[str, Any]:
    """What changes when a file does; None of one that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return dict.fromkeys(STAMP)
    return {name: getattr(found, f'st_{name}') for name in STAMP}


def _looked_at(paths: Sequence[str], out: Path, processes: Optional[int],
               console: Console) -> Dict[str, Look]:
    file = out / 'found.json'
    stamps = {path: _stamp(path) for path in paths}
    known = {}
    for path, entry in (runs.kept(file) if file.is_file() else {}).items():
        # What could not be read may have been repaired, or is of old.
        if isinstance(entry, dict) and set(entry) == {*Look._fields, *STAMP} \
                and not entry['fault'] and path in stamps and \
                stamps[path] == {name: entry.pop(name) for name in STAMP}:
            known[path] = Look(**entry)

    def save() -> None:
        runs.keep(file, {
            p: dict(k._asdict(), **stamps[p])
            for p, k in known.items()
        })

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
