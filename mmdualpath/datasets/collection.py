"""Which videos there are, and what they show, however that is written down.

Folders of classes, tables with a header or without, and MMAction2's annotation
files become one list of videos with the names of their classes.
"""
import csv
import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .video_files import VIDEO_SUFFIXES

# Names of columns, and of folders above those of the classes.
COLUMNS = dict(
    path=('path', 'video', 'file', 'filename', 'filepath', 'video_path',
          'clip', 'name'),
    labels=('label', 'labels', 'class', 'classes', 'action', 'actions',
            'category', 'tags'),
    group=('group', 'person', 'subject', 'recording', 'session', 'source',
           'actor', 'scene'),
    split=('split', 'subset', 'set', 'fold'))
SPLITS = dict(
    train='train',
    training='train',
    val='val',
    valid='val',
    validation='val',
    test='val',
    testing='val')
# What stands between several labels in one cell.
BETWEEN = re.compile(r'\s*[;|,]\s*')


class Video(NamedTuple):
    """A video of a collection.

    Attributes:
        path: Its file.
        labels: Names of its classes.
        group: What was recorded together with it, if that is written down.
        split: ``train`` or ``val``, if that is written down.
    """
    path: str
    labels: Tuple[str, ...]
    group: str = ''
    split: str = ''


def read_collection(source: Path,
                    root: Optional[Path] = None,
                    names: Optional[Sequence[str]] = None) -> List[Video]:
    """The videos of a folder or a list.

    Args:
        source: A folder with a folder for each class, perhaps below ``train``
            and ``val``; a table (comma, semicolon or tab) whose header names
            its columns (see ``COLUMNS``), or without one a path and labels;
            or lines of ``path label`` or ``path label label``, as MMAction2
            has them. In one cell ``;``, ``|`` or ``,`` stand between labels,
            and a video may have several lines.
        root: What paths of a list begin in; by default the folder of the
            list, or the current one, whichever has the first video.
        names: Names of the classes that a list calls by number.

    Raises:
        ValueError: If there is nothing of this, a line cannot be read, or a
            video is on both sides of a split.
    """
    source = Path(source)
    if source.is_dir():
        videos = list(_in_folders(source))
    elif source.is_file():
        videos = _in_list(source, root)
    else:
        raise ValueError(f'{source} is neither a folder nor a list of '
                         'videos.')
    if names is not None:
        videos = [
            v._replace(labels=tuple(_named(n, names) for n in v.labels))
            for v in videos
        ]
    return merged(videos)


def read_names(path: Path) -> List[str]:
    """Names of classes, one a line, the first of class 0.

    Raises:
        ValueError: If it is no file of text in UTF-8, a line has none, or
            two have the same.
    """
    lines = _text(Path(path)).rstrip().split('\n')
    names = [line.strip() for line in lines]
    if not all(names):
        raise ValueError(f'{path} has no name of a class in line '
                         f'{names.index("") + 1}.')
    first: Dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if first.setdefault(name, number) != number:
            raise ValueError(f'{path} has the class {name!r} twice, in lines '
                             f'{first[name]} and {number}.')
    return names


def classes_of(videos: Sequence[Video]) -> List[str]:
    """Names of the classes in order; numbers by their size."""
    found = {name for video in videos for name in video.labels}
    return sorted(
        found, key=lambda n: (0, int(n), n) if n.isdecimal() else (1, 0, n))


def is_video_name(path: str) -> bool:
    """Whether a file is called like a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def class_folders(source: Path) -> List[Tuple[Path, str]]:
    """Folders of classes, each with the side of a split that it is on.

    Args:
        source: What holds them, perhaps below ``train`` and ``val``.

    Raises:
        ValueError: If there are none, videos lie beside them, or others lie
            beside ``train`` and ``val``.
    """
    folders = _folders(source)
    if not folders:
        raise ValueError(f'{source} holds no folders: each class needs one, '
                         'such as my_videos/jumping/take1.mp4.')
    splits = {f: SPLITS.get(f.name.lower(), '') for f in folders}
    if {'train', 'val'} <= set(splits.values()):
        others = [f.name for f, split in splits.items() if not split]
        if others:
            raise ValueError(
                f'{source} holds folders for training and validation, and '
                f'{", ".join(others)} beside them: move away what is no part '
                'of the split, or rename what is a class.')
        return [(f, split) for folder, split in splits.items()
                for f, _ in class_folders(folder)]
    loose = [
        p.name for p in source.iterdir()
        if p.is_file() and is_video_name(p.name)
    ]
    if loose:
        raise ValueError(f'{source} holds videos beside the folders of its '
                         f'classes, such as {min(loose)}: move each into '
                         'the folder of its class.')
    return [(folder, '') for folder in folders]


def _in_folders(source: Path) -> Iterator[Video]:
    for folder, split in class_folders(source):
        for path in sorted(folder.rglob('*')):
            # A link to nothing is a video that cannot be read.
            is_file = path.is_file() or not path.exists()
            if is_file and not path.name.startswith('.'):
                yield Video(str(path), (folder.name, ), split=split)


def _folders(source: Path) -> List[Path]:
    return sorted(p for p in source.iterdir()
                  if p.is_dir() and not p.name.startswith('.'))


def _in_list(source: Path, root: Optional[Path]) -> List[Video]:
    numbered = [(number, line)
                for number, line in enumerate(_text(source).split('\n'), 1)
                if line.strip()]
    if not numbered:
        raise ValueError(f'{source} lists no videos.')
    lines = [line for _, line in numbered]
    found = re.search('\t', lines[0]) or re.search('[;,]', lines[0])
    delimiter = found[0] if found else None
    rows = list(csv.reader(lines, delimiter=delimiter)) if delimiter \
        else [_annotated(line) for line in lines]
    columns = _header(rows[0])
    first = 1 if columns else 0
    videos = []
    for (number, line), row in list(zip(numbered, rows))[first:]:
        cells = [cell.strip() for cell in row]
        if columns:
            cell = {
                name: cells[i] if i < len(cells) else ''
                for name, i in columns.items()
            }
            path, labels = cell['path'], [cell['labels']]
            group, split = cell.get('group', ''), cell.get('split', '')
        else:
            path, labels, group, split = cells[0], cells[1:], '', ''
        labels = [n for text in labels for n in BETWEEN.split(text) if n]
        if not path or not labels:
            raise ValueError(
                f'{source}, line {number}: no {"label" if path else "path"} '
                f'in {line[:200]!r}.')
        if split and split.lower() not in SPLITS:
            raise ValueError(f'{source}, line {number}: split {split!r} is '
                             f'none of {", ".join(SPLITS)}.')
        videos.append(
            Video(path, tuple(labels), group, SPLITS.get(split.lower(), '')))
    if root is None:
        beside = source.parent / videos[0].path
        root = source.parent if beside.is_file() else Path()
    return [v._replace(path=str(Path(root, v.path))) for v in videos]


def _annotated(line: str) -> List[str]:
    """``path label label`` apart; a path may hold blanks before one label."""
    path, *labels = line.split()
    if not labels or all(label.isdecimal() for label in labels):
        return [path, *labels]
    return line.strip().rsplit(None, 1)


def _header(row: Sequence[str]) -> Dict[str, int]:
    """Which column holds what, if a row names them; else nothing.

    Raises:
        ValueError: If it names a label and no path.
    """
    found = {}
    for number, cell in enumerate(row):
        for name, known in COLUMNS.items():
            if cell.strip().lower() in known:
                found.setdefault(name, number)
    if 'labels' in found and 'path' not in found:
        raise ValueError(f'The columns {", ".join(row)} have labels, but '
                         'which one has the videos? Call it one of '
                         f'{", ".join(COLUMNS["path"])}.')
    return found if {'path', 'labels'} <= set(found) else {}


def _named(label: str, names: Sequence[str]) -> str:
    if label.isdecimal():
        if int(label) >= len(names):
            raise ValueError(f'There is a label {label}, but only '
                             f'{len(names)} names.')
        return names[int(label)]
    return label


def _text(path: Path) -> str:
    """Of a file.

    Raises:
        ValueError: If it is no file of text in UTF-8.
    """
    if not path.is_file():
        raise ValueError(f'{path} is no file.')
    try:
        return path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} is no text in UTF-8 ({error}).') from None


def _is_line(path: str) -> bool:
    """Whether a line of text in UTF-8 can be a path."""
    try:
        return path.encode().splitlines() == [path.encode()]
    except UnicodeEncodeError:
        return False


def merged(videos: Sequence[Video]) -> List[Video]:
    """Each file once, whatever its paths, with all its labels.

    Raises:
        ValueError: If one stands on both sides of a split, or has a name that
            no list can hold.
    """
    found: Dict[str, Video] = {}
    for video in videos:
        if not _is_line(video.path):
            raise ValueError(f'{video.path!r}: names of videos and their '
                             'folders are UTF-8 without line ends; rename '
                             'it.')
        file = os.path.realpath(video.path)
        known = found.setdefault(file, video)
        if known.split != video.split:
            raise ValueError(f'{video.path} is listed for training and for '
                             'validation.')
        labels = dict.fromkeys((*known.labels, *video.labels))
        found[file] = known._replace(labels=tuple(labels))
    return list(found.values())
