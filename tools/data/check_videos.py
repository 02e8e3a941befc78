"""Find the videos that cannot be read, before a training does.

    python tools/data/check_videos.py data/kinetics400/videos_train
    python tools/data/check_videos.py data/hmdb51/train.txt \
        --root data/hmdb51/videos --write-good data/hmdb51/train_good.txt

Takes a folder, or an annotation file of "path label" lines. Decodes frames
spread over each video in several processes. A video that crashes the decoder,
or on which it hangs, is listed like any other. The exit status is 1 if a video
cannot be read.
"""
import argparse
import os
import sys
from pathlib import Path
from typing import List, Optional, Tuple

from rich.progress import track

from mmdualpath.apis.programs import program
from mmdualpath.datasets.bad_videos import BadVideoReport
from mmdualpath.datasets.checking import check_videos
from mmdualpath.datasets.video_files import videos_in


def listed(source: Path, root: Optional[Path]) -> List[Tuple[str, str]]:
    """Paths of the videos, each with its line if there is a list."""
    if source.is_dir():
        return [(str(p), '') for p in videos_in(source)]
    lines = source.read_text(encoding='utf-8-sig').splitlines()
    return [(os.path.join(root or '',
                          line.strip().rsplit(' ', 1)[0]), line)
            for line in lines if line.strip()]


def main() -> None:
    """Check a folder or a list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('source', type=Path, help='folder or list of videos')
    parser.add_argument(
        '--root', type=Path, help='folder that the paths of a list begin in')
    parser.add_argument(
        '--out', type=Path, default=Path('bad_videos.tsv'), help='report')
    parser.add_argument(
        '--write-good', type=Path, help='list without the unreadable videos')
    parser.add_argument('--processes', type=int, default=os.cpu_count())
    parser.add_argument(
        '--frames', type=int, default=16, help='of each video; 0 for all')
    parser.add_argument(
        '--timeout', type=float, default=60., help='seconds for a video')
    args = parser.parse_args()
    if not args.source.exists():
        parser.error(f'{args.source} is neither a folder nor a list.')
    if args.write_good and args.source.is_dir():
        parser.error('--write-good needs a list.')

    videos = listed(args.source, args.root)
    paths = list(dict.fromkeys(path for path, _ in videos))
    report = BadVideoReport(args.out)
    bad = set()
    answers = check_videos(paths, args.processes, args.frames, args.timeout)
    for path, look in track(answers, 'Reading', len(paths)):
        if look.fault:
            bad.add(path)
            report.add(path, look.fault)
    if args.write_good:
        args.write_good.write_text(
            ''.join(f'{line}\n' for path, line in videos if path not in bad),
            encoding='utf-8')
    print(f'{len(bad)} of {len(paths)} videos cannot be read' +
          (f': see {args.out}.' if bad else '.'))
    sys.exit(bool(bad))


if __name__ == '__main__':
    with program():
        main()
