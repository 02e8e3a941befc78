"""Which files are videos, and what results of them are called."""
import os
from pathlib import Path
from typing import List, Sequence, Union
from urllib.parse import unquote

VIDEO_SUFFIXES = ('.3gp', '.avi', '.flv', '.gif', '.m4v', '.mkv', '.mov',
                  '.mp4', '.mpeg', '.mpg', '.ogv', '.ts', '.webm', '.wmv')


def videos_in(folder: Union[str, Path]) -> List[Path]:
    """Videos of a folder and of the folders in it, in order.

    Raises:
        ValueError: If there are none.
    """
    found = sorted(
        p for p in Path(folder).rglob('*')
        if p.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise ValueError(f'The folder {folder} holds no video '
                         f'({", ".join(VIDEO_SUFFIXES)}).')
    return found


def result_names(videos: Sequence[str]) -> List[str]:
    """A name for the result of each video, another one for each.

    Folders are kept from the one on that all videos are in. Endings go, but
    where two videos differ in theirs alone.

    Args:
        videos: Paths or URLs.
    """
    paths = [
        os.path.normpath('/' + unquote(v.split('://')[1]))
        if '://' in v else os.path.abspath(v) for v in videos
    ]
    common = os.path.commonpath([os.path.dirname(p) for p in paths])
    names = [os.path.relpath(p, common) for p in paths]
    stems = [os.path.splitext(n)[0] for n in names]
    return stems if len(set(stems)) == len(set(names)) else names
